/*
 * What thunks call, and run().
 */
#ifndef CODEGEN_X86_64_SLOW_H
#define CODEGEN_X86_64_SLOW_H

#include "sites.h"

/* The memory operation of a site record: where code goes on, or null if it is left (*frame->exit says how). */
const uint8_t *slow_path(pb_vcpu *vcpu, cg_frame *frame, const uint8_t *record);
/* The operation of a redo_head by its reference function (reference.c): where code goes on. */
const uint8_t *redo(pb_vcpu *vcpu, cg_frame *frame, const uint8_t *record);
/* lazy.c: the flags of the lazy slot's home, if that has a marker. */
void pack_lazy(pb_vcpu *vcpu, const cg_frame *frame);
/* The same for thunk_flags, which goes on at `back`. */
const uint8_t *pack_and_go_on(pb_vcpu *vcpu, cg_frame *frame, const uint8_t *back);
/* All exceptions masked, to nearest, no flags; and the mask of invalid operations: Intel SDM volume 1, section 10.2.3. */
enum { MXCSR_DEFAULT = 0x1f80, MXCSR_IM = 0x80 };
/* trap.c: whether invalid operations may trap in this environment 0: all that is right but for them needs no test. */
bool cg_can_trap(const pb_fp_env *env);
/* MXCSR for the guest's rounding mode, and with or without traps, without flags. */
uint32_t guest_mxcsr(const pb_vcpu *vcpu);
/* Collect the flags of MXCSR in vcpu->fp[0], and make it the host's. */
void merge_mxcsr(pb_vcpu *vcpu);
/* The same; what to load behind the helper. */
uint32_t before_helper(pb_vcpu *vcpu);

/* refill.c: after thunk_slow was made; rx: where a->start will be executed. */
void make_refill(asm_buffer *a, x86_codegen *self, const uint8_t *rx);
/* thunks.c */
bool make_thunks(x86_codegen *self, const pb_code_slice *slice);
/* Of thunk_enter. */
typedef void enter_function(pb_vcpu *vcpu, const void *entry, pb_code_exit *exit,
                            const x86_codegen *self);

#endif
