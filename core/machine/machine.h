/*
 * A machine: built from a plan, run, taken down.
 *
 * Life: build (open the plugins that the plan names, create the parts, set properties, connect,
 * make regions, init, hand the processors to the accelerator), run (reset, let the loaders read
 * their files once and place what they have, execute until somebody asks for the end; a reset in
 * between resets and places again), free.
 */
#ifndef CORE_MACHINE_MACHINE_H
#define CORE_MACHINE_MACHINE_H

#include <core/bus/bus.h>
#include <core/machine/plan.h>
#include <core/plugin/plugin_host.h>
#include <core/sched/sched.h>
#include <core/vcpu/vcpu.h>

#define PB_MACHINE_ERROR (pb_machine_error_quark())
GQuark pb_machine_error_quark(void);

typedef enum pb_machine_error {
    PB_MACHINE_ERROR_BUILD, /* the machine cannot be built: the user's setup */
    PB_MACHINE_ERROR_LOAD,  /* files to load: kernels, snapshots */
    PB_MACHINE_ERROR_RUN,
} pb_machine_error;

typedef struct pb_machine pb_machine;

/* Build the machine of a plan without errors; plan and host live longer. Errors name the place in
 * the machine file where there is one. [setup] */
pb_machine *pb_machine_new(const pb_plan *plan, pb_plugin_host *host, GError **error);

/* What parts of a machine may ask for besides: an extension by id, null: not there. For who embeds a machine. */
typedef struct pb_machine_extras {
    const void *(*extension)(void *opaque, const char *id);
    void *opaque;
} pb_machine_extras;

/* The same, with extras that live longer. [setup] */
pb_machine *pb_machine_new_with(const pb_plan *plan, pb_plugin_host *host,
                                const pb_machine_extras *extras, GError **error);
void pb_machine_free(pb_machine *machine); /* null is fine. [setup] */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_machine, pb_machine_free)

/* Cold reset of everything, then the loaders place what they have. Done by pb_machine_run() if
 * nobody did it or loaded a snapshot before. [setup] */
bool pb_machine_reset(pb_machine *machine, GError **error);

/* Run until the guest or the user ends it; the exit status, -1 with the error set if a reset
 * failed. May be called again. [setup] */
int pb_machine_run(pb_machine *machine, GError **error);

/* Take the processors from the accelerator, with its threads and all that it translated, before memory goes that it reads. While
 * nothing runs. */
void pb_machine_stop_accel(pb_machine *machine);

/* A processor more, as the first one is: one that was given back, or a new one. While the machine runs on threads of others
 * (pb_sched_begin); it executes nothing yet, and its type's state is that of a reset. Null: it cannot be. [any] */
pb_vcpu *pb_machine_take_cpu(pb_machine *machine, GError **error);
/* Nobody executes on it any more, and it is outside of the guest. [any] */
void pb_machine_give_cpu(pb_machine *machine, pb_vcpu *vcpu);

/* End the run with a status. [any] */
void pb_machine_stop(pb_machine *machine, int status);

const pb_plan *pb_machine_plan(const pb_machine *machine);
pb_sched *pb_machine_sched(const pb_machine *machine);
pb_cpus *pb_machine_cpus(const pb_machine *machine);
pb_space *pb_machine_memory(const pb_machine *machine);
/* The container that is its memory: address 0 is offset 0. */
pb_bus_region *pb_machine_root(const pb_machine *machine);

/* Call fn when all processors together have executed `first` instructions, and then when it says;
 * 0: no more. Deterministic mode only. fn may look at everything: the machine stands still. Before or
 * after a snapshot is loaded, which sets the count. [setup] */
void pb_machine_count(pb_machine *machine, uint64_t first,
                      uint64_t (*fn)(void *opaque, uint64_t total), void *opaque);

/* One line a number: the accelerator's, and instructions executed. After the run. */
void pb_machine_statistics(pb_machine *machine,
                           void (*line)(void *opaque, const char *name, uint64_t value),
                           void *opaque);

#endif
