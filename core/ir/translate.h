/*
 * The driver of translators: guest code to units of IR, one instruction at a time. It implements the
 * extension "pb.translate/1" (patchbay/accel.h).
 *
 * A unit is instructions of one virtual page. It ends where the translator says so, at the page's end, at
 * the limits, before an instruction that a debugger wants to stop at, before one whose bytes lie on two pages (that one is a unit of its own) and before one
 * that cannot be fetched. With `follow` it goes on behind conditional branches and along unconditional
 * ones, as long as the target is on the page and not in the unit already.
 *
 * In builds with assertions every unit is verified.
 */
#ifndef CORE_IR_TRANSLATE_H
#define CORE_IR_TRANSLATE_H

#include <core/ir/unit.h>
#include <patchbay/accel.h>

/* What the host answers to PB_EXTENSION_TRANSLATE. */
extern const pb_translate_ops pb_translate_ops_table;

/* Where others look on, core/trace for instance. Members may be null. Functions are called on the threads of
 * vCPUs. */
typedef struct pb_translate_hooks {
    /* In ir_insn: an instruction's translation begins; may emit operations that belong to it. */
    void (*insn)(ir_builder *b, uint64_t pc);
    /* A unit is complete and verified. */
    void (*unit)(pb_vcpu *vcpu, const ir_unit *unit);
    /* log_exec and log_exec_enabled of pb_translate_ops. */
    void (*exec)(pb_vcpu *vcpu, const ir_unit *unit);
    bool (*exec_enabled)(pb_vcpu *vcpu);
} pb_translate_hooks;

/* How an instruction may be translated, as a debugger wants it (core/vcpu/debug.h). */
typedef enum pb_translate_stop {
    PB_TRANSLATE_ON = 0,
    PB_TRANSLATE_APART, /* it begins a unit, which is of it alone and is not kept */
    PB_TRANSLATE_STOP, /* it begins a unit, which leaves with PB_RUN_DEBUG instead and is not kept */
} pb_translate_stop;

typedef struct pb_translate_debugger {
    /* Changes only when the units that it matters to are dropped. On any thread that translates. */
    pb_translate_stop (*stop_at)(pb_vcpu *vcpu, uint64_t pc);
    /* Whether the vCPU executes one instruction and then leaves with PB_RUN_DEBUG. While it does, log_exec_enabled() is
     * true, so units are of one instruction and none is kept. [vcpu] */
    bool (*steps)(pb_vcpu *vcpu);
    /* It does, and a unit is made: true if it is that of the instruction, false behind it. [vcpu] */
    bool (*take_step)(pb_vcpu *vcpu);
} pb_translate_debugger;

/* The process has a debugger: the table, for ever. While nothing runs. */
void pb_translate_set_debugger(const pb_translate_debugger *debugger);

/* Set the hooks of the process (copied), or none (null). [setup] */
void pb_translate_set_hooks(const pb_translate_hooks *hooks);

#endif
