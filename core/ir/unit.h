/*
 * Memory of units of IR.
 */
#ifndef CORE_IR_UNIT_H
#define CORE_IR_UNIT_H

#include <glib.h>
#include <inttypes.h>
#include <patchbay/cpu.h>

/* Records in any of a unit's arrays; what a unit of the core's limits can ever need, by far. */
#define PB_IR_MAX_RECORDS (1u << 20)

/* An empty unit for a cpu type. Never null. */
ir_unit *pb_ir_unit_new(const pb_cpu_type *cpu);
/* Null is fine. */
void pb_ir_unit_free(ir_unit *unit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ir_unit, pb_ir_unit_free)

/* Empty it, for another translation of the same or another cpu type; the memory is kept. */
void pb_ir_unit_reset(ir_unit *unit, const pb_cpu_type *cpu, uint64_t pc, uint64_t key);

/* A builder for the unit, between blocks. */
ir_builder pb_ir_builder(ir_unit *unit);

/* Number of slots of a cpu type. */
uint32_t pb_ir_slot_count(const pb_cpu_type *cpu);
/* Number of helpers. */
uint32_t pb_ir_helper_count(const pb_cpu_type *cpu);

/* A block's targets: calls each(target block, values, n) for every target of a terminator. The values are
 * indices of ids in unit->extra. False if the words do not make sense. */
typedef struct pb_ir_target {
    uint32_t block;
    uint32_t n_values;
    const uint32_t *values;
} pb_ir_target;

#define PB_IR_MAX_TARGETS 2

/* The targets of a terminator; their number (0 if it leaves the unit), or -1 if the words of unit->extra do not
 * make sense. */
int pb_ir_targets(const ir_unit *unit, const ir_op_record *r, pb_ir_target *targets);

/* The operands of any record, and their number (n_args); null if they lie outside of unit->extra. */
const uint32_t *pb_ir_operands(const ir_unit *unit, const ir_op_record *r);

/* Whether a record has a first result: what ops.def says, but for calls of helpers without one. */
bool pb_ir_has_result(const ir_op_record *r);

#endif
