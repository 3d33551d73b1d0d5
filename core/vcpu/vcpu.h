/*
 * Virtual processors: allocation, the run loop, and the functions of pb_vcpu_ops (patchbay/vcpu.h).
 *
 * Life of the vCPUs of a machine: pb_cpus_new, pb_cpus_add for each, the objects of the cpus are set up
 * in vcpu->state (zeroed, type->head.instance_size bytes), pb_cpus_start with the accelerator,
 * pb_vcpu_reset at every machine reset, pb_sched_run, pb_cpus_stop, pb_cpus_free.
 */
#ifndef CORE_VCPU_VCPU_H
#define CORE_VCPU_VCPU_H

#include <core/bus/bus.h>
#include <core/sched/sched.h>
#include <patchbay/accel.h>
#include <patchbay/codegen.h>

typedef struct pb_cpus pb_cpus;

/* The processors of one machine, that share a memory. [setup] */
pb_cpus *pb_cpus_new(pb_sched *sched, pb_space *memory);
void pb_cpus_free(pb_cpus *cpus); /* null is fine */

/* A new vCPU; its index is the number of earlier ones. The memory at vcpu->state is the instance of the
 * cpu type, aligned to 64 bytes; the caller sets vcpu->object. Freed by pb_cpus_free. [setup], and while the machine runs on
 * threads of others (pb_sched_begin), one after the other; not if there are 65,536. */
pb_vcpu *pb_cpus_add(pb_cpus *cpus, const pb_cpu_type *type);
bool pb_cpus_is_full(const pb_cpus *cpus);
/* Which cluster of processors it is in, as the machine file says, below PB_MOST_CLUSTERS; 0 if not set. For debuggers:
 * nothing else asks. [setup] */
#define PB_MOST_CLUSTERS 256u
void pb_vcpu_set_cluster(pb_vcpu *vcpu, uint32_t cluster);
uint32_t pb_vcpu_cluster(const pb_vcpu *vcpu);
uint32_t pb_cpus_count(const pb_cpus *cpus);
pb_vcpu *pb_cpus_at(const pb_cpus *cpus, uint32_t index);

/* Hand all vCPUs to an accelerator instance (its class was initialised by the caller); the opposite. [setup] */
bool pb_cpus_start(pb_cpus *cpus, const pb_accel_type *type, void *accel, GError **error);
void pb_cpus_stop(pb_cpus *cpus);
/* The same for a vCPU that was added later, before it executes. */
bool pb_cpus_start_one(pb_vcpu *vcpu, GError **error);

/* pb_accel_type.fork, while no vCPU executes. */
bool pb_cpus_fork(pb_cpus *cpus, pb_fork_phase phase, GError **error);

/* A vCPU that nobody needs now waits for somebody who does: what costs time to make stays. It stands outside of the guest, and
 * nothing is posted to it. */
void pb_cpus_put_aside(pb_vcpu *vcpu);
/* One of those, after the core's part of a reset; null: there is none. [any] */
pb_vcpu *pb_cpus_take_back(pb_cpus *cpus);

/* The core's part of a reset: caches, reservation, requests, power, idleness. The cpu type's state is the
 * object's business, before or after. While nothing runs. */
void pb_vcpu_reset(pb_vcpu *vcpu, bool powered);
/* Guest state was replaced (a snapshot was loaded): forget everything derived. While nothing runs. */
void pb_cpus_invalidate(pb_cpus *cpus);

/* Do what was posted to vCPUs that have not executed since. While nothing runs. */
void pb_cpus_settle(pb_cpus *cpus);

/* What a snapshot keeps of a vCPU besides its instance. While nothing runs. */
typedef struct pb_vcpu_saved {
    uint64_t retired;
    uint64_t exclusive_gva, exclusive_gpa;
    pb_u128 exclusive_value;
    uint32_t exclusive_bytes;
    uint8_t powered, idle;
    uint8_t interrupt; /* PB_EXIT_INTERRUPT was pending */
    uint8_t reserved;
    pb_fp_env fp[4]; /* the sticky flags are in there */
} pb_vcpu_saved;

void pb_vcpu_save(pb_vcpu *vcpu, pb_vcpu_saved *saved);
void pb_vcpu_load(pb_vcpu *vcpu, const pb_vcpu_saved *saved);

/* One stay in the guest on a thread of the caller's (pb_runner_go), between pb_sched_begin() and pb_sched_end(). True: an
 * exception of a user program ended it (PB_RUN_USER). */
bool pb_vcpu_go(pb_vcpu *vcpu);

/* In a handler of signals, on the vCPU's thread: the host refused an access at fault->pc. Where to go on, null: that is not
 * emitted code that accesses guest memory. */
const void *pb_vcpu_host_fault(pb_vcpu *vcpu, const pb_host_fault *fault);

/* In a handler of signals: the host's processor trapped on this thread, SIGFPE or SIGTRAP. True: all goes on, as `context` (ucontext_t)
 * says now. False: that was not emitted code, nor called by it. */
bool pb_vcpu_host_trap(int signal, const siginfo_t *info, void *context);

/* Have handlers for these in this process, where nobody else calls pb_vcpu_host_trap(), and let them through, on this thread and those
 * that it makes. Once is enough. */
void pb_vcpu_catch_traps(void);

/* The vCPU that this thread executes, or null. */
pb_vcpu *pb_vcpu_current(void);

/* Copy guest virtual memory as a debugger does: no side effects, RAM and ROM only; writes go to ROM too.
 * False at the first byte that cannot be. While the vCPU stands, or on its thread. */
bool pb_vcpu_peek(pb_vcpu *vcpu, uint64_t gva, void *to, uint64_t bytes);
bool pb_vcpu_poke(pb_vcpu *vcpu, uint64_t gva, const void *from, uint64_t bytes);

/* Called when an accelerator stops for a debugger (PB_RUN_DEBUG), on the vCPU's thread; the vCPU goes on when it
 * returns, so it requests a pause. Null: PB_RUN_DEBUG is ignored. [setup] */
void pb_cpus_set_debug(pb_cpus *cpus, void (*stopped)(void *opaque, pb_vcpu *vcpu), void *opaque);

#endif
