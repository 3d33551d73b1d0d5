/*
 * Code generators: units of IR to host code, and the conventions that emitted code keeps with the
 * core and with the accelerator that runs it.
 *
 * One instance of a codegen type serves one machine. The translation cache (tc.h) owns the memory of
 * code; the accelerator asks the generator to emit into it, publishes the result there, and runs it.
 * A code generator never sees guest names: slots, helpers and pages come from the cpu type's tables.
 *
 * Conventions of emitted code:
 *  1. Pinned slots. At the entry and exit of every unit the first slots of the translator's pin_rank, as
 *     many as the generator has registers, live in those registers; all others live in the state.
 *  2. State is complete (all slots in memory, pc slot, budget, retired, aux, fp flags) wherever somebody else
 *     can look: in memory functions' slow paths, in helpers that are not pure, after run() returned. How
 *     the generator brings that about is its own business: recovery maps, or stores off the hot path.
 *  3. A unit's checked entry looks at exit_request and, in counted mode, at the budget; the direct entry of
 *     uncounted code does not. A direct jump to a unit that begins behind the one that it is in may use the direct
 *     entry; all others, and the accelerator, use the checked one.
 *  4. In counted mode an instruction whose access is not plain RAM, or writes a page that code was taken from,
 *     is executed in a unit of its own (PB_CODE_EXIT_ALONE), and exit_request and budget are looked at
 *     after every instruction that called a helper which is not pure. So a request is always seen at the
 *     instruction behind the one that made it, whatever the units look like.
 */
#ifndef PATCHBAY_CODEGEN_H
#define PATCHBAY_CODEGEN_H

#include <patchbay/cpu.h>

/* ---- where indirect jumps go ---------------------------------------------------------------------- */

#define PB_JUMP_BITS    12
#define PB_JUMP_ENTRIES (1u << PB_JUMP_BITS)

/* What a vCPU remembers of units by virtual address, probed by emitted code: vcpu->jumps points to
 * PB_JUMP_ENTRIES of them, those of the unit key in force. The accelerator fills and clears them, on the vCPU's
 * thread, and emitted code fills them from the far ones. An empty entry has pc UINT64_MAX and the generator's miss entry (pb_codegen_info.jump_miss). */
typedef struct pb_jump_entry {
    uint64_t pc;
    const void *entry; /* checked entry of the unit */
} pb_jump_entry;

/* Index of the entry for a pc of instructions that are aligned to 1 << align_log2 bytes. */
static inline uint32_t pb_jump_index(uint64_t pc, uint32_t align_log2)
{
    return (uint32_t)(pc >> align_log2) & (PB_JUMP_ENTRIES - 1);
}

/* Behind these entries there may be 1 << far_bits more (pb_codegen_setup), which emitted code asks for what the others have
 * not, and copies what it finds to its place among them. An empty one is all zeros. */
static inline uint32_t pb_far_jump_index(uint64_t pc, uint32_t far_bits)
{
    return ((uint32_t)pc * UINT32_C(0x9e3779b1)) >> (32 - far_bits);
}

/* ---- leaving emitted code ---------------------------------------------------------------------------- */

typedef enum pb_code_exit_kind {
    PB_CODE_EXIT_LINK =
        1, /* at a direct jump that is not linked: `site`. The pc slot is not written */
    PB_CODE_EXIT_LOOKUP, /* an indirect jump found no entry; the pc slot is written, without jump_target() */
    PB_CODE_EXIT_NEW_KEY, /* a jump after which the unit key may be another; the pc slot is written, as before */
    PB_CODE_EXIT_REASON,  /* `reason`; the pc slot is written */
    PB_CODE_EXIT_UNWOUND, /* an exception was taken, or a helper changed the flow (vcpu->unwind) */
    /* The instruction at the pc slot wants a unit of its own; nothing of it was done. From a region's entry, because slots were not as
     * it hoped: `site` is in the region, else null. If that is often, a region with PB_CODE_ENTERED is better. */
    PB_CODE_EXIT_ALONE,
    PB_CODE_EXIT_ENTRY, /* at the entry of a unit, whose pc is in the pc slot: a request, too little budget,
                            * or the unit is retired */
    /* At the entry of a unit that compares (ir_unit.compares), which `site` lies in: the bytes differ. The pc is in
     * the pc slot; the unit shall be dropped (pb_tc_ops.changed) */
    PB_CODE_EXIT_CHANGED,
} pb_code_exit_kind;

typedef struct pb_code_exit {
    uint32_t kind;   /* pb_code_exit_kind */
    uint32_t reason; /* pb_run_reason */
    const uint8_t *site;
} pb_code_exit;

/* ---- emitting ------------------------------------------------------------------------------------------ */

/* Memory for code: written at rw, executed at rx (W^X: two mappings of the same pages). */
typedef struct pb_code_slice {
    uint8_t *rw;
    const uint8_t *rx;
    uint32_t bytes;
} pb_code_slice;

typedef enum pb_code_link_flags {
    PB_LINK_CHECKED = 1, /* to the checked entry */
    PB_LINK_FAR = 2,     /* to another page: the mapping may change, link it only where it cannot */
} pb_code_link_flags;

/* A direct jump to a constant guest pc that can be linked to another unit. */
typedef struct pb_code_link {
    uint64_t pc;
    uint32_t
        site; /* offset in the unit's code of what link() patches; what an exit's `site` points to */
    uint32_t stub;  /* offset of where it leads while it is not linked */
    uint32_t flags; /* pb_code_link_flags */
    uint32_t reserved;
} pb_code_link;

#define PB_CODE_LINKS 64 /* of one unit, at most; further jumps are looked up */

/* A guest instruction's code, for debuggers and profiles. */
typedef struct pb_code_line {
    uint32_t offset; /* of its first byte of host code on the main path */
    uint32_t mark;   /* index in the unit's marks; UINT32_MAX: what follows is off the main path */
} pb_code_line;

typedef enum pb_code_flags {
    PB_CODE_ALONE = 1, /* one instruction that may do everything: no PB_CODE_EXIT_ALONE from it */
    PB_CODE_LINES = 2, /* fill lines */
    /* A region, executed often: choose registers for this unit, keep to the convention at its edges only. */
    PB_CODE_REGION = 4,
    /* Invalid operations of floating point trap while the code executes (pb_codegen_type.traps): it need not test for them. */
    PB_CODE_TRAPS = 8,
    /* Of a region: it is entered whatever slots have, without PB_CODE_EXIT_ALONE there. */
    PB_CODE_ENTERED = 16,
} pb_code_flags;

/* What a generator tells of its work, for people. */
typedef enum pb_code_note_kind {
    PB_NOTE_BEGIN = 1, /* emission begins, perhaps anew: what was told before does not hold */
    PB_NOTE_RECORD,    /* here is the code of the record */
    PB_NOTE_SKIPPED,   /* the record has no code of its own; text: why */
    PB_NOTE_VALUE,     /* behind the record's code a result of it, the value `id`, is at `text` */
    /* Guest slot `id` is not in the state but at `text`: behind a record, or at a path (recovery map), or (no record) everywhere in
     * the unit's code */
    PB_NOTE_SLOT,
    PB_NOTE_PATH, /* here is a path off the main one, of the record; text: what it does */
    PB_NOTE_DATA, /* here are bytes that are not code */
    /* What was done to the unit before code was emitted, or is done meanwhile (`offset` says nothing then): */
    PB_NOTE_PASS, /* behind a pass, whose name is `text`; id: 0 if it was left out. What follows it did */
    PB_NOTE_DROPPED, /* the record is not needed; text: why */
    PB_NOTE_REMARK, /* text is what was found out about the record; id: another one behind it, or UINT32_MAX */
} pb_code_note_kind;

typedef struct pb_code_note {
    uint32_t size;
    uint32_t kind;   /* pb_code_note_kind */
    uint32_t offset; /* in the unit's code */
    uint32_t record; /* index in the unit's ops, UINT32_MAX: none */
    uint32_t id;
    uint32_t reserved;
    const char *text; /* for the call; may be null */
} pb_code_note;

/* One unit to emit, and what became of it. The caller zeroes it and fills the first part. */
typedef struct pb_code_job {
    uint32_t size;
    uint32_t flags;      /* pb_code_flags */
    const ir_unit *unit; /* is not changed */
    /* For which FP rules and rounding hold: they follow from the unit key. Nothing but `fp` and `watched` is read, so a copy
     * will do. */
    pb_vcpu *vcpu;
    pb_code_slice slice;

    uint32_t bytes; /* used of the slice: code, cold code, maps */
    uint32_t
        entry; /* offset of the checked entry. Its first instruction can be patched by retire() */
    uint32_t direct; /* of the direct entry */
    uint32_t stale;  /* of the stub that a retired entry leads to: PB_CODE_EXIT_ENTRY */
    uint32_t n_links, n_lines, max_lines;
    pb_code_line *lines; /* max_lines of them, the caller's; may be null */
    pb_code_link links[PB_CODE_LINKS];
    uint32_t references; /* operations that became calls of their reference functions */
    uint32_t reserved;
    /* The caller's, null: nobody wants to know. Called while code is emitted. */
    void (*note)(void *opaque, const pb_code_note *note);
    void *note_opaque;
    uint32_t
        records; /* of `bytes` those that tell paths off the main one where values are: they are not executed */
    uint32_t reserved_2;
} pb_code_job;

typedef enum pb_emit_status {
    PB_EMIT_OK = 0,
    PB_EMIT_NO_ROOM, /* the slice is too small: ask for another one */
    PB_EMIT_TOO_LARGE, /* the unit has more values or blocks than the generator takes: make it shorter */
} pb_emit_status;

/* Memory of a guest that lies in the host as the guest sees it, with the protection that the guest gave it, so that code
 * accesses it without asking. Stores to it come unnoticed: who wants to know of changes of code compares (ir_unit.compares),
 * or is told. */
typedef struct pb_code_window {
    uint8_t *base;  /* host address of guest address 0 */
    uint64_t bytes; /* guest addresses below this lie in the window, others do not */
    uint64_t
        guard; /* so many bytes before the window, and behind it, the host lets nobody access */
} pb_code_window;

/* What a generator is told once, before it emits. */
typedef struct pb_codegen_setup {
    uint32_t size;
    bool counted;  /* units count instructions off vcpu->budget and into vcpu->retired */
    bool parallel; /* other vCPUs run at the same time: fences and atomics are needed */
    pb_vcpu *vcpu; /* any: the TLBs are at the same distance from every vCPU (vcpu.h) */
    const pb_fp_ops *fp;
    pb_code_slice thunks;  /* memory for code that all units share: PB_CODEGEN_THUNK_BYTES */
    pb_code_window window; /* of all MMU indexes; 0 bytes: there is none. Not if it is counted */
    uint32_t far_bits;     /* of the far entries of vcpu->jumps, at most 20; 0: there are none */
} pb_codegen_setup;

#define PB_CODEGEN_THUNK_BYTES 16384

typedef struct pb_codegen_info {
    uint32_t size;
    uint32_t pinned_slots;  /* how many of pin_rank have a register */
    const void *jump_miss;  /* entry of empty pb_jump_entry */
    const char *host;       /* "x86-64: bmi2 avx2 fma", for statistics */
    uint32_t typical_bytes; /* of code for one guest instruction, to size slices */
    bool compares;          /* it emits what ir_unit.compares wants */
    bool direct; /* its code uses setup's window; who runs it hands the host's faults to fault() */
    bool
        traps; /* it makes something of PB_CODE_TRAPS; who uses that hands the host's traps to trap() */
} pb_codegen_info;

/* ---- frames, for debuggers ------------------------------------------------------------------------------ */

/* How code at a place finds its caller's frame. */
typedef struct pb_code_frame {
    uint32_t offset; /* in the thunks: the row holds from here to the next one's */
    uint16_t bytes;  /* from the stack pointer to the frame's end: what it was before the call */
    uint16_t saved; /* so many of pb_code_frames.saved are in the frame, the others are unchanged */
} pb_code_frame;

/* Frames of all emitted code. Register numbers are DWARF's for the host. */
typedef struct pb_code_frames {
    uint32_t size;
    uint32_t n_thunks;
    const pb_code_frame *thunks; /* by offset; the first one's is 0 */
    pb_code_frame unit;          /* of units, everywhere in their code */
    const uint8_t *saved; /* registers: the i-th is 8 * (i + 1) bytes below the frame's end */
    uint8_t n_saved;
    uint8_t stack_pointer;
    uint8_t return_address; /* is among `saved` */
    uint8_t reserved;
} pb_code_frames;

/* What emitted code and what it calls count, of one vCPU. */
typedef enum pb_code_count {
    PB_CODE_COUNT_REFILLS, /* accesses that the first level of the TLB had not, and the second one had */
    PB_CODE_COUNT_SLOW, /* that the core did: in no level, or not plain memory, or across pages */
    PB_CODE_COUNTS
} pb_code_count;

/* An access that the host's processor refused. */
typedef struct pb_host_fault {
    uint32_t size;
    uint32_t
        absent;   /* not 0: it is permitted, but nothing is there (SIGBUS: the file is shorter) */
    uint64_t gva; /* the first byte that was refused; only if absent */
    const uint8_t *pc; /* of the instruction, none of which was done */
} pb_host_fault;

/* A trap of the host's processor. */
typedef struct pb_host_trap {
    uint32_t size;
    uint32_t
        signal; /* SIGFPE: an invalid operation that was not done; SIGTRAP: behind a step that trap() asked for */
    bool in_unit;      /* pc is in a unit's code; else in C that emitted code called */
    const uint8_t *pc; /* of the instruction, or behind it */
    void *context;     /* ucontext_t: registers as they will be where the handler returns to */
} pb_host_trap;

typedef struct pb_codegen_type {
    pb_class head; /* init fails with the reason if the host cannot run this generator's code */
    /* [setup] */
    bool (*start)(void *self, const pb_codegen_setup *setup, pb_codegen_info *info,
                  pb_error *error);
    /* Emit a unit. Any thread, but one at a time in one slice; keeps no state between calls. [any] */
    uint32_t (*emit)(void *self, pb_code_job *job);
    /* Make the site jump to rx_target, or back to its stub. One aligned store: others may be executing it. [any] */
    void (*link)(void *self, uint8_t *rw_site, const uint8_t *rx_site, const uint8_t *rx_target);
    /* Make a checked entry lead to the unit's stale stub. The same. [any] */
    void (*retire)(void *self, uint8_t *rw_entry, const uint8_t *rx_entry, const uint8_t *rx_stale);
    /* Execute from an entry until emitted code is left. [vcpu] */
    void (*run)(void *self, pb_vcpu *vcpu, const void *entry, pb_code_exit *exit);
    /* The vCPU is new: prepare its `codegen` words. [setup] */
    void (*vcpu_init)(void *self, pb_vcpu *vcpu);
    /* What a debugger needs for a backtrace through emitted code; null: there is nothing. Constant after start().
     * May be null. [any] */
    const pb_code_frames *(*frames)(void *self);
    /* A number of pb_code_count since vcpu_init(), for statistics: it may be a little old if the vCPU runs. May be null. [any] */
    uint64_t (*count)(void *self, pb_vcpu *vcpu, uint32_t what);
    /* The host refused an access at fault->pc, in the code of a unit: where the vCPU goes on, with all registers as they are, to
     * have the access done by its functions, which tell the guest; null: that is no access. Called in a handler of the
     * host's signals: takes no lock, allocates nothing. May be null if info.direct was never set. [vcpu] */
    const uint8_t *(*fault)(void *self, pb_vcpu *vcpu, const uint8_t *code, uint32_t bytes,
                            const pb_host_fault *fault);
    /* From the next run() on invalid operations of floating point trap, or not. A new vCPU's do not. Code with PB_CODE_TRAPS may
     * be run only while they do. Null if info.traps was never set. [vcpu] */
    void (*traps)(void *self, pb_vcpu *vcpu, bool on);
    /* The host's processor trapped while this vCPU was in run(). True: trap->context was changed so that all goes on as the guest
     * wants it. False: that is none of its. Called in a handler of the host's signals: takes no lock, allocates nothing. Null as
     * before. [vcpu] */
    bool (*trap)(void *self, pb_vcpu *vcpu, const pb_host_trap *trap);
} pb_codegen_type;

/* Whether a generator's type has the member. */
#define PB_CODEGEN_HAS(type, member) \
    ((type)->head.size >= offsetof(pb_codegen_type, member) + sizeof((type)->member))

/* ---- "pb.codegen/1": the generator for this host ---------------------------------------------------- */

#define PB_EXTENSION_CODEGEN "pb.codegen/1"

typedef struct pb_codegen_ops {
    uint32_t size;
    /* Load the codegen plugin of that name ("" or null: the one for this host), make an instance for the object's machine
     * with properties ("baseline=true,pinned=4"; null: none). Null with the error filled. The
     * machine frees it. [setup] */
    void *(*open)(pb_object *object, const char *name, const char *properties,
                  const pb_codegen_type **type, pb_error *error);
    /* Whether the object's machine counts instructions (deterministic mode): for pb_codegen_setup. [any] */
    bool (*counted)(pb_object *object);
} pb_codegen_ops;

#endif
