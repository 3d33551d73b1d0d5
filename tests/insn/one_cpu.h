/*
 * A machine of one processor, memory and nothing else, for tests that execute a few instructions at a time: made
 * of the core's own parts, with a plugin's processor and accelerator.
 */
#ifndef TESTS_INSN_ONE_CPU_H
#define TESTS_INSN_ONE_CPU_H

#include <core/vcpu/vcpu.h>
#include <patchbay/accel.h>

typedef struct one_cpu one_cpu;

/* types as in a machine file ("arm64/max", "interp"), that of the accelerator perhaps with settings
 * ("jit,codegen-options=baseline=true"); settings, the processor's, are "name=value", ends with null. RAM of
 * ram_bytes at ram_gpa. Plugins are found on the usual path. Prints the error and gives null. */
one_cpu *one_cpu_new(const char *cpu_type, const char *accel_type, const char *const *settings,
                     uint64_t ram_gpa, uint64_t ram_bytes);
void one_cpu_free(one_cpu *machine);

pb_vcpu *one_cpu_vcpu(one_cpu *machine);
/* Host address of guest RAM. */
void *one_cpu_ram(one_cpu *machine, uint64_t gpa);
/* Copy into RAM so that code that was there is noticed to change. */
void one_cpu_write(one_cpu *machine, uint64_t gpa, const void *bytes, uint64_t length);
/* Execute that many instructions, or until the processor ends the run. */
void one_cpu_run(one_cpu *machine, uint64_t insns);
/* Execute until the 64-bit word of RAM at gpa is not 0 (looked at now and then, so somewhat more), but no more than
 * about `most` instructions: then false. */
bool one_cpu_run_until(one_cpu *machine, uint64_t gpa, uint64_t most);
/* Log lines since the last call; free it. */
char *one_cpu_take_log(one_cpu *machine);

#endif
