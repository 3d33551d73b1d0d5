/*
 * A small accelerator around a code generator: every unit is emitted anew each time it is reached, and run. So tests of the
 * interpreter run on emitted code too.
 */
#ifndef CODEGEN_TEST_JIT_H
#define CODEGEN_TEST_JIT_H

#include "accel.h"

#include <patchbay/codegen.h>

/* There are so many far entries of jumps. */
enum { JIT_FAR_BITS = 4 };

typedef struct jit_options {
    bool baseline;
    uint32_t pinned;
    bool counted;
    bool region;     /* every unit is emitted as a region, and is one where the code loops */
    bool entered;    /* PB_CODE_ENTERED for regions */
    bool alone;      /* PB_CODE_ALONE for every unit: units that are given, not translated */
    bool use_tlb;    /* fill the first-level TLB before each run */
    bool use_second; /* some of it the second level only */
    char *without;   /* passes that are left out; null: none */
    bool traps;      /* invalid operations of floating point trap, and units are emitted for that */
    bool passes;     /* what is emitted are units as the passes leave them, read from their text */
    uint32_t room;   /* bytes for a unit; 0: plenty */
} jit_options;

/* Open the generator's plugin; ends the program if that fails. */
void jit_open(const char *file);
/* The accelerator; options are read when an instance is made, and at each run. */
extern const pb_accel_type jit_type;
extern jit_options jit_how;
/* "baseline,pinned=3,counted,tlb,traps,without=dead+pairs,passes" to options. */
void jit_set(const char *text);
/* Emit the unit, and append what its passes did (pb_trace_emit_passes); false: the generator refused it. */
bool jit_passes(accel *a, const ir_unit *unit, GString *text);
/* How many units were emitted, how many the generator refused, how many had several pieces of code. */
extern uint64_t jit_emitted, jit_refused, jit_regions, jit_bytes;
/* How many traps there were. */
extern uint64_t jit_trapped;
/* Emit into a buffer of the instance and disassemble to the output. */
void jit_show(accel *a, const ir_unit *unit);
/* Emit the unit n times without running it: nanoseconds each. */
double jit_time(accel *a, const ir_unit *unit, uint32_t n, uint32_t *bytes);

/* Emit a unit into the instance's buffer; false: the generator refused it. Then run it from its entry as often as wanted, each
 * time with the vCPU's state as it is: the exit's kind. */
bool jit_prepare(accel *a, const ir_unit *unit);
uint32_t jit_again(accel *a);
/* A number of pb_code_count. */
uint64_t jit_count(accel *a, uint32_t what);
/* Operations of the unit prepared last that are calls of reference functions. */
uint32_t jit_references(const accel *a);

/* ---- patching ------------------------------------------------------------------------------------------------ */

/* Unit a with a link to unit b, both in the instance's buffer. */
typedef struct jit_linked {
    pb_code_job a, b;
    const uint8_t *entry_a, *entry_b;
} jit_linked;

void jit_link_two(accel *a, uint64_t pc_a, uint64_t pc_b, jit_linked *l);
/* Run from a's entry; the exit's kind. */
uint32_t jit_enter(accel *a, const jit_linked *l);
/* Link all jumps between the two; make them lead to their stubs again; retire b's entry. */
void jit_join(accel *a, const jit_linked *l);
void jit_part(accel *a, const jit_linked *l);
void jit_retire(accel *a, const jit_linked *l);
/* Emit the unit at pc with so much room, and see that nothing is written behind it; the status. */
uint32_t jit_emit_in(accel *a, uint64_t pc, uint32_t room);

#endif
