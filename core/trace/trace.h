/*
 * The log and trace events: what machines, devices and the guest's doings tell a user.
 *
 * The log is for the process. Warnings always go to it; other lines if their item was asked for.
 * Everything here may be called from any thread, except what is marked [setup].
 */
#ifndef CORE_TRACE_TRACE_H
#define CORE_TRACE_TRACE_H

#include <glib.h>
#include <patchbay/codegen.h>

/* What `--log` takes. */
typedef enum pb_log_item {
    PB_LOG_ITEM_GUEST = 1, /* the guest does something wrong */
    PB_LOG_ITEM_UNIMP = 2, /* it uses what is known and not modelled */
    PB_LOG_ITEM_INT =
        4, /* exceptions and interrupts: the events *.exception, *.interrupt, *.eret */
    PB_LOG_ITEM_MMIO = 8,    /* accesses to devices */
    PB_LOG_ITEM_EXEC = 16,   /* each unit of guest code that is executed */
    PB_LOG_ITEM_IN_ASM = 32, /* guest code, disassembled, when it is translated */
    PB_LOG_ITEM_INFO = 64,
    PB_LOG_ITEM_IR = 128,     /* units of IR (core/ir/text.h), as translators made them */
    PB_LOG_ITEM_CODE = 256,   /* host code of units, with what it is of and where values are */
    PB_LOG_ITEM_PASSES = 512, /* units of IR behind each pass of the code generator */
} pb_log_item;

/* Where lines go: a file, which is truncated; null: standard error. [setup] */
bool pb_trace_open(const char *file, GError **error);
/* Write out what is buffered and close, with a warning for each pattern that no event matched. False if
 * lines were lost. [setup] */
bool pb_trace_close(GError **error);

/* Add items, words separated by commas. [setup] */
bool pb_trace_log_items(const char *list, GError **error);
/* Add patterns of events, separated by commas; `*` and `?` as in file names: "pl011.*". [setup] */
void pb_trace_patterns(const char *list);
/* Forget items, patterns and counts. [setup] */
void pb_trace_reset(void);

bool pb_trace_wants(pb_log_item item);
/* One line, without a newline. */
void pb_trace_line(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* A line of pb_object's log, if its kind is wanted. A text that the same object repeats is written
 * ten times and then at every power of two, with the count: it depends on nothing but the texts. */
void pb_trace_object(const char *path, uint32_t kind, const char *text);

bool pb_trace_event_on(const char *event);
void pb_trace_event(const char *path, const char *event, const char *text);

/* Show only units with an instruction in one of the ranges "0x1000-0x1fff", at one of the addresses "0x1000", or in one
 * of the symbols (symbols.h) of the list: EXEC, IN_ASM, IR, CODE and PASSES. Several lists add up. [setup] */
bool pb_trace_filter(const char *list, GError **error);
/* Show all. [setup] */
void pb_trace_filter_reset(void);
/* Whether a unit is one that is shown. */
bool pb_trace_has(const ir_unit *unit);

/* The type's emit(), with what the generator tells of it to the log, for CODE and PASSES, if pb_trace_has() the unit. [vcpu] */
uint32_t pb_trace_emit(const pb_codegen_type *type, void *self, pb_code_job *job);

/* The type's emit(); what PASSES shows is appended to the text: for each pass a line "# pass NAME: ...", and the unit behind it
 * if it did anything, which can be parsed (core/ir/text.h). [vcpu] */
uint32_t pb_trace_emit_passes(const pb_codegen_type *type, void *self, pb_code_job *job,
                              GString *text);

/* As pb_code_note, with a text of its own. */
typedef struct pb_trace_note {
    uint32_t kind, offset, record, id;
    char *text;
} pb_trace_note;

/* That text, of notes (pb_trace_note) of which each PB_NOTE_PASS begins a pass. */
void pb_trace_passes(const ir_unit *unit, const GArray *notes, GString *text);

/* Tell the translation driver (core/ir) to show units if EXEC, IN_ASM, IR, CODE or PASSES is on. [setup] */
void pb_trace_watch_units(void);

/* Disassemble code of a cpu type, a line an instruction: address, bytes, text. What cannot be
 * disassembled is shown as bytes. */
void pb_trace_disassemble(const pb_cpu_type *type, uint64_t pc, const uint8_t *bytes, size_t length,
                          GString *text);
/* The same for code of the host's processor. */
void pb_trace_disassemble_host(uint64_t pc, const uint8_t *bytes, size_t length, GString *text);

#endif
