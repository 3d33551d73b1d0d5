/*
 * A stub for gdb: the remote serial protocol (gdb manual, "Remote Protocol") over TCP or a Unix socket.
 *
 * On a machine processors are threads: processor n is thread n + 1, and cluster n is process n + 1. Of a user program (pb_gdb_program) the
 * threads are its own, with their numbers. They stop together. The stub knows no processor: registers and their
 * description come from the cpu type (pb_gdb_target), what stops them from core/vcpu/debug.h.
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

/* A thread, as the client sees it. */
typedef struct pb_gdb_thread {
    pb_vcpu *vcpu;
    uint32_t process, number; /* number: no other thread of any process has it; neither is 0 */
} pb_gdb_thread;

/*
 * What is peculiar to a user program. All functions are there. Signals have Linux's generic numbers.
 *
 * Threads of a program do much outside of the guest, where a pause of the scheduler does not hold them: system calls, delivery of
 * signals. So the stub tells when they shall stand there (stopping), waits for it, and tells when they may go on.
 */
typedef struct pb_gdb_program {
    /* A stop begins: who is outside of the guest does nothing more to registers and memory than finish what it is at. Under the
     * stub's lock: calls nothing of the stub. [any] */
    void (*stopping)(void *opaque);
    void (*await)(void *opaque); /* until all stand */
    void (*going)(void *opaque); /* the stop is over */
    /* The rest is called while all stand. */
    void (*threads)(void *opaque, GArray *threads); /* append a pb_gdb_thread for each */
    char *(*thread_name)(void *opaque, pb_vcpu *vcpu);
    /* When it goes on: it does not; with a signal, 0 is none. That is instead of the one that it stopped with, or, if it
     * stopped for another reason, one that comes now. */
    void (*hold)(void *opaque, pb_vcpu *vcpu, bool holds);
    void (*give_signal)(void *opaque, pb_vcpu *vcpu, int signal);
    /* How many bytes could be read; whether all could be written. */
    uint64_t (*read)(void *opaque, uint64_t gva, void *to, uint64_t bytes);
    bool (*write)(void *opaque, uint64_t gva, const void *from, uint64_t bytes);
    const uint8_t *(*auxv)(void *opaque, uint64_t *bytes);
    const char *(*path)(void *opaque); /* of the program */
    /* Of the signal, or what else it was, that it stopped with. */
    void (*siginfo)(void *opaque, pb_vcpu *vcpu, uint8_t siginfo[128]);
    /* What comes with that signal instead, if it goes on with it. False: it stopped for another reason. */
    bool (*set_siginfo)(void *opaque, pb_vcpu *vcpu, const uint8_t siginfo[128]);
    /* A descriptor of the emulator's own in the place of `fd`, which is closed; -1 with errno. */
    int (*own)(void *opaque, int fd);
    /* A path of the program's, as the host has it, g_free() it; null: too many links. */
    char *(*host_path)(void *opaque, const char *path);
    /* The target of a link that is the program's own (/proc/self/exe), g_free() it; null: it is none of those. */
    char *(*link)(void *opaque, const char *path);
    /* Open a file of the program's for reading, and what the program finds in /proc; -1 with errno. */
    int (*open)(void *opaque, const char *path);
    void (*kill)(void *opaque); /* end the process at once. Does not return */
    /* Run a program, null: the same, instead of the one that has ended. The stub is handed over to it (pb_gdb_hand_over). Returns
     * only if it cannot, an error of Linux. `arguments` are without the program's name, and end with null. */
    int (*run)(void *opaque, const char *program, const char *const *arguments);
} pb_gdb_program;

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
    const pb_gdb_program *program;                /* null: a machine */
} pb_gdb_host;

/* What a thread of a program comes to outside of the guest. */
typedef enum pb_gdb_why {
    PB_GDB_NOTHING = 0,
    PB_GDB_SIGNAL,   /* that is to be delivered: its number */
    PB_GDB_STEPPED,  /* a step ended */
    PB_GDB_CALL,     /* a system call is to be made: its number */
    PB_GDB_RETURN,   /* and is done */
    PB_GDB_BEGUN,    /* the thread is new */
    PB_GDB_OVER,     /* it ended, and is none of the threads any more: its status */
    PB_GDB_EXITED,   /* the program ends: its status */
    PB_GDB_KILLED,   /* the same, by a signal */
    PB_GDB_EXECUTED, /* it became another one */
} pb_gdb_why;

typedef struct pb_gdb_event {
    pb_gdb_why why;
    int number;
    uint32_t thread; /* number of the thread */
} pb_gdb_event;

typedef enum pb_gdb_told {
    PB_GDB_UNWANTED = 0, /* nobody wants to know */
    PB_GDB_LATER,        /* another stop is under way: to be told again when it is over */
    PB_GDB_STOPS,        /* all shall stand, the caller too */
} pb_gdb_told;

/* Tell of an event of the program that this thread executes. [any, outside of the guest] */
pb_gdb_told pb_gdb_tell(pb_gdb *gdb, pb_vcpu *vcpu, const pb_gdb_event *event);
/* The process is to execute another program, that is debugged then: what its stub is to listen at. Descriptors of the stub stay open
 * for it until pb_gdb_keep(), which says that the process could not. The stub's thread waits for events, or calls. `starts`: the client
 * asked for it. g_free() it. */
char *pb_gdb_hand_over(pb_gdb *gdb, bool starts);
void pb_gdb_keep(pb_gdb *gdb);
/* The program is there. A client that was handed over is told, or the program goes on as it wants. [setup] */
void pb_gdb_begin(pb_gdb *gdb);
/* The process ends: remove what others would find of the stub. [any] */
void pb_gdb_vanish(pb_gdb *gdb);
/* The process is a copy of the one that is debugged, by the thread that made it, while the stub's own waited for events: let go of the
 * client without a word. The stub is not used any more. */
void pb_gdb_abandon(pb_gdb *gdb);

/* Listen at "tcp:HOST:PORT" (port 0: any) or "unix:PATH". With `wait` nothing is executed until a client says so. The host is
 * copied, its parts live longer. Null with the error set. Before pb_sched_run(). [setup] */
pb_gdb *pb_gdb_new(const pb_gdb_host *host, const char *address, bool wait, GError **error);
/* Where it listens: as it was given, with the port that was found. */
const char *pb_gdb_address(const pb_gdb *gdb);
/* The run has ended with a status: tell the client, and let go of the machine. [setup] */
void pb_gdb_ended(pb_gdb *gdb, int status);
void pb_gdb_free(pb_gdb *gdb); /* null is fine. [setup] */

#endif
