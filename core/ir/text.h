/*
 * Units of IR as text: for dumps, for tests, for people.
 *
 *     unit a64 pc=0x400800 key=0x3
 *     b0:
 *       insn 0x400800 4
 *       %0:i64 = get {slot=x0}
 *       %1:i32 = ld %0 {size=4 le align=4 mmu=1}
 *       %2:i32, %3:fl = sub.fl %1, 7:i32
 *       br.hi %3 -> b1(%2), b2
 *     b1(%4:i32):
 *       ...
 *
 * One record a line. Values are numbered as they come; constants are value:type, in hexadecimal from 10 on; those
 * of more than 64 bits are high_low:type. Attributes stand in braces: name=number, left out where all of them are
 * zero; a condition is part of the operation's name (set.hi, sel.eq, br.ne); slots and helpers go by their names;
 * the memory attribute is written apart (size, align in bytes; le or be; signed, atomic; order, mmu, kind, span,
 * element if they are not zero). A call is `%5:i64 = call %1, %2 {helper=name}`. `insn PC LENGTH [aux=WORD]`
 * starts a guest instruction. A '#' begins a comment.
 */
#ifndef CORE_IR_TEXT_H
#define CORE_IR_TEXT_H

#include <core/ir/unit.h>

/* Append the unit's text; a unit that the verifier refuses is printed as far as it makes sense. */
void pb_ir_print(const ir_unit *unit, GString *out);
/* The same, with remarks: `remark` is called for each record with its line, not indented, without line end, which it may change:
 * add a comment, make all of it one, or, if it leaves nothing, leave it out. */
typedef void pb_ir_remark(void *opaque, uint32_t record, GString *line);
void pb_ir_print_remarked(const ir_unit *unit, pb_ir_remark *remark, void *opaque, GString *out);
/* The line of one record, without line end. */
void pb_ir_print_record(const ir_unit *unit, uint32_t record, GString *out);
/* How the text calls a value: "%3", or a constant. */
void pb_ir_print_value(const ir_unit *unit, uint32_t id, GString *out);

#define PB_IR_ERROR (pb_ir_error_quark())
GQuark pb_ir_error_quark(void);

typedef enum pb_ir_error {
    PB_IR_ERROR_SYNTAX,  /* the text is not IR; the message begins with line:column */
    PB_IR_ERROR_INVALID, /* the verifier refuses the unit */
} pb_ir_error;

/* Read a unit into *unit (which is reset), for the unit's cpu type. The text is checked for form and names;
 * verify it too (verify.h). */
bool pb_ir_parse(ir_unit *unit, const pb_cpu_type *cpu, const char *text, GError **error);

#endif
