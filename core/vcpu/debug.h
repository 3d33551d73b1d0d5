/*
 * What a debugger asks of virtual processors: breakpoints, watchpoints, single steps, standing apart.
 *
 * All of it is set while nothing runs (paused, or before pb_sched_run()), and costs nothing until it is:
 *
 *   Breakpoints go into translations. Where there is one, a unit of code ends, and what begins there leaves with PB_RUN_DEBUG
 *   and is not kept. A place that is new drops units that may have it in the middle, whatever address space they are of, and
 *   one that is none any more those that end because of it: units of the same page that were made from code near it
 *   (pb_accel_type.drop_code), no others. A vCPU of another cluster than the breakpoint's leaves there too, since all execute the same units, and makes a step over it.
 *
 *   Watchpoints go into the TLB: pages that have one are in no first level, and not plain in the second, so all accesses to
 *   them go the slow way, which looks. An access that is watched is not made: the instruction has done nothing yet, and
 *   is executed anew. Page walks and devices' accesses are not watched.
 *
 *   A step is one unit of one instruction that leaves with PB_RUN_DEBUG. One that takes an exception instead ends before the
 *   first instruction of the handler. In user mode it does not end there (PB_RUN_USER): who does what the kernel would ends it.
 *
 * A stop is told to pb_cpus_set_debug()'s function; the state of the vCPU is complete there, and its counts are as if what
 * stopped it had not been tried.
 */
#ifndef CORE_VCPU_DEBUG_H
#define CORE_VCPU_DEBUG_H

#include <core/vcpu/vcpu.h>

typedef enum pb_debug_kind {
    PB_DEBUG_NONE = 0,
    PB_DEBUG_BREAK,
    PB_DEBUG_STEP,
    /* watchpoints: which accesses, and which of them it was */
    PB_DEBUG_READ,
    PB_DEBUG_WRITE,
    PB_DEBUG_ACCESS,
} pb_debug_kind;

/* Whose vCPUs a breakpoint or a watchpoint is for: a cluster's (pb_vcpu_cluster), or of all. */
#define PB_DEBUG_ALL UINT32_MAX

typedef struct pb_debug_break {
    uint64_t pc; /* virtual */
    uint32_t cluster;
} pb_debug_break;

typedef struct pb_debug_watch {
    uint64_t gva, bytes; /* not past the end of the address space */
    uint32_t kind;       /* PB_DEBUG_READ, WRITE or ACCESS: both */
    uint32_t cluster;
} pb_debug_watch;

/* Why a vCPU stopped. */
typedef struct pb_debug_stop {
    uint32_t kind; /* pb_debug_kind; that of the watchpoint */
    uint64_t gva;  /* of a watchpoint: the first byte that is watched of the access */
} pb_debug_stop;

/* The breakpoints, instead of those before, in any order, some perhaps twice. `keep`: those that go shall soon come back, so
 * their places stay the borders of units that they are. */
void pb_debug_set_breaks(pb_cpus *cpus, const pb_debug_break *breaks, uint32_t n, bool keep);
void pb_debug_set_watches(pb_cpus *cpus, const pb_debug_watch *watches, uint32_t n);

typedef enum pb_debug_pace {
    PB_DEBUG_FREE = 0,
    PB_DEBUG_STEPS,  /* one instruction, or into the interrupt that is to be taken */
    PB_DEBUG_QUIETLY /* one instruction; interrupts wait */
} pb_debug_pace;

/* How the vCPU goes on. After a step it is free again. Also in the function that is told of stops, on the vCPU's thread. */
void pb_debug_set_pace(pb_vcpu *vcpu, pb_debug_pace pace);
pb_debug_pace pb_debug_pace_of(pb_vcpu *vcpu);
/* Let it stand while others go on. */
void pb_debug_hold(pb_vcpu *vcpu, bool hold);

/* Why it stopped, for the function that is told. */
pb_debug_stop pb_debug_stop_of(pb_vcpu *vcpu);
uint64_t pb_debug_pc(const pb_vcpu *vcpu);
/* Whether it waits for an interrupt. While nothing runs. */
bool pb_debug_idles(pb_vcpu *vcpu);

/* Somebody wrote slots: have the cpu type make anew what it derives from them, and let a vCPU that idles look again. False
 * with the error set: the state is impossible; it stays. While nothing runs. */
bool pb_debug_wrote(pb_vcpu *vcpu, GError **error);

#endif
