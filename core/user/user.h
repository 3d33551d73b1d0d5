/*
 * User mode: runs a Linux program that was built for another processor, by taking the kernel's place in front of it.
 *
 * A program is a machine of processors without devices (core/machine builds it); its memory is an address space of mappings
 * (space.h) instead of page tables; what it asks of the kernel is done by the host's (syscall.c). What is peculiar to an
 * architecture is a table of its cpu type (patchbay/user.h).
 *
 * There is one program in a process: signals, descriptors and the process's number are its.
 */
#ifndef CORE_USER_USER_H
#define CORE_USER_USER_H

#include <core/machine/machine.h>

#define PB_USER_ERROR (pb_user_error_quark())
GQuark pb_user_error_quark(void);

/* Codes are exit statuses, as shells have them. */
typedef enum pb_user_error {
    PB_USER_ERROR_SETUP = 2,
    PB_USER_ERROR_CANNOT = 126,  /* it is there, but cannot be executed */
    PB_USER_ERROR_MISSING = 127, /* the program, or its interpreter, is not there */
} pb_user_error;

typedef struct pb_user_options {
    const char *sysroot;     /* where absolute paths are looked up first, or null */
    const char *program;     /* path */
    int program_fd;          /* of its file, if it cannot be opened by that path; or 0 */
    const char *const *argv; /* the program's arguments, its name first; ends with null */
    const char *const *envp; /* the same */
    /* What another program that it executes is run with: the words of the command up to the program; ends with null. */
    const char *const *self;
    const char
        *semihosting; /* what programs may do by semihosting (semihosting.h); null: nothing */
    const char *core; /* name of core files, %p is the process's number; null: "core" */
    bool record;      /* at the end, remember what was not there (missing.h) */
    bool strace;      /* write system calls to standard error */
    const char *strace_file; /* or to this file */
    const char *
        strace_only; /* which: names and %classes by commas, "!" before them for all others; null: all */
    const char *strace_shared; /* from the program that executed this one (strace.h), or null */
    int self_fd; /* the same: a descriptor of the emulator's file, where there is no /proc; or -1 */
    /* Called where pb_user_run() cannot return: a thread ends the process while others are there. They stand still, or are
     * in the host's kernel. May be null. */
    void (*at_end)(void *opaque);
    void *opaque;
} pb_user_options;

/* What a program is for, found in its file: "aarch64". Null with an error: not there, no program, unknown. g_free() it. */
char *pb_user_architecture(const pb_user_options *options, GError **error);

/* Where an absolute path of the program is in the host: below `sysroot` if it is there; other paths stay. `follow`: also if its
 * last part is a link. Null: too many links (ELOOP). g_free() it. */
char *pb_user_find(const char *sysroot, const char *path, bool follow);

#define PB_USER_MAGIC 20

/* What files of programs for an architecture begin with: bytes, and which of their bits matter. False: it is unknown. */
bool pb_user_magic(const char *architecture, uint8_t magic[PB_USER_MAGIC],
                   uint8_t mask[PB_USER_MAGIC]);

typedef struct pb_user pb_user;

/* A program on a machine. Usage: pb_user_new, pb_machine_new_with(pb_user_extras), pb_user_load, pb_user_run. [setup] */
pb_user *pb_user_new(const pb_user_options *options, GError **error);
const pb_machine_extras *pb_user_extras(pb_user *user);
bool pb_user_load(pb_user *user, pb_machine *machine, GError **error);
/* Have it debugged by gdb, from its first instruction on: listen at an address (core/gdb/gdb.h), which is returned as it is with the port
 * that was found. Null with the error set. Between pb_machine_new_with and pb_user_load. [setup] */
const char *pb_user_debug_at(pb_user *user, pb_machine *machine, const char *address,
                             GError **error);
/* Runs it to its end, on this thread. The exit status; a signal that ends the program ends the process. */
int pb_user_run(pb_user *user);
/* What it asked for that is not there ("system call", "rseq"), with how often: after the run. */
void pb_user_missing(const pb_user *user,
                     void (*fn)(void *opaque, const char *kind, const char *name, uint64_t calls),
                     void *opaque);
/* Before the machine is freed. */
void pb_user_unload(pb_user *user);
void pb_user_free(pb_user *user);

#endif
