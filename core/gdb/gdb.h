/*
 * A stub for gdb: the remote serial protocol (gdb manual, "Remote Protocol") over TCP or a Unix socket.
 *
 * All processors are threads of one process: thread n + 1 is processor n. They stop together. The stub knows no
 * processor: registers and their description come from the cpu type (pb_gdb_target), what stops them from core/vcpu/debug.h.
 *
 * It lives on the main loop of the scheduler. While its client has the machine stopped it holds a pause (pb_sched_pause), so all
 * processors are at safe points, their states are complete, and machine time stands.
 */
#ifndef CORE_GDB_GDB_H
#define CORE_GDB_GDB_H

#include <core/bus/bus.h>
#include <core/sched/sched.h>
#include <core/vcpu/vcpu.h>

typedef struct pb_gdb pb_gdb;

/* Whose processors they are. Functions may be null: there is no such thing; they are called while all stand, on the
 * main loop's thread. */
typedef struct pb_gdb_host {
    pb_sched *sched;
    pb_cpus *cpus;
    pb_space *memory;
    void *opaque;
    void (*end)(void *opaque);   /* end the run, in order, soon */
    void (*reset)(void *opaque); /* soon */
    bool (*save)(void *opaque, const char *file, GError **error);
    void (*statistics)(void *opaque, void (*line)(void *to, const char *name, uint64_t value),
                       void *to);
    void (*devices)(void *opaque, GString *text); /* a line for each */
} pb_gdb_host;

/* Listen at "tcp:HOST:PORT" (port 0: any) or "unix:PATH". With `wait` nothing is executed until a client says so. The host is
 * copied, its parts live longer. Null with the error set. Before pb_sched_run(). [setup] */
pb_gdb *pb_gdb_new(const pb_gdb_host *host, const char *address, bool wait, GError **error);
/* Where it listens: as it was given, with the port that was found. */
const char *pb_gdb_address(const pb_gdb *gdb);
/* The run has ended with a status: tell the client, and let go of the machine. [setup] */
void pb_gdb_ended(pb_gdb *gdb, int status);
void pb_gdb_free(pb_gdb *gdb); /* null is fine. [setup] */

#endif
