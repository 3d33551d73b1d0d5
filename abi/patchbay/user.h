/*
 * User mode: what Linux's interface to programs is on an architecture, told by its cpu types; and what a processor that runs a
 * program asks of its environment, which stands in for the kernel.
 *
 * A processor in user mode has no page tables and no higher exception level. Its cpu type asks the extension
 * PB_EXTENSION_USER of the host in init: without it the processor is one of a machine. With it
 *   - the walk takes permissions from find(), and a virtual address without its tag is the physical one;
 *   - what would be an exception to the kernel is an event: the type calls event() and unwinds. The environment has
 *     the accelerator left (PB_RUN_USER), does what the kernel would, and lets the processor go on at its pc slot.
 *     What kernels emulate without a program's notice (identification registers) the type does by itself.
 *
 * What differs between architectures is data here, or small functions of the type: numbers of system calls, flags and
 * structures with their word size and byte order, registers at system calls, in signal frames and new threads. Everything else
 * is the environment's. Numbers (signals, errors, si_code) are Linux's generic ones, those of asm-generic.
 */
#ifndef PATCHBAY_USER_H
#define PATCHBAY_USER_H

#include <patchbay/vcpu.h>

/* ---- what a processor asks: the extension ------------------------------------------------------------- */

#define PB_EXTENSION_USER "pb.user/1"

typedef enum pb_user_cause {
    PB_USER_SYSCALL = 1, /* pc is behind the instruction */
    PB_USER_FAULT, /* find() did not permit an access at `address`; pc is at the instruction */
    PB_USER_SIGNAL, /* another exception, pc at the instruction: `signal` with `code` and `address` */
} pb_user_cause;

typedef struct pb_user_event {
    uint32_t size;
    uint32_t cause;  /* pb_user_cause */
    uint32_t access; /* PB_USER_FAULT: pb_access_type */
    int32_t signal, code;
    uint64_t address;  /* si_addr: without a tag */
    uint64_t syndrome; /* for the architecture's signal frame, handed back in pb_user_delivery */
} pb_user_event;

struct pb_code_window;

typedef struct pb_user_ops {
    uint32_t size;
    /* What is permitted (pb_prot) on the page of an address without tag; false: nothing is mapped there. [vcpu] */
    bool (*find)(pb_vcpu *vcpu, uint64_t gva, uint32_t *prot);
    /* An event. Sets unwind and leave_reason; the caller has put pc where it belongs. [vcpu] */
    void (*event)(pb_vcpu *vcpu, const pb_user_event *event);
    /* Where the program's memory is in the host (codegen.h). Who asks will store there unnoticed; from then on pages that can be both
     * written and executed are mixed (vcpu.h, code_reads). False: it is not to be accessed so. [setup] */
    bool (*window)(struct pb_code_window *window);
} pb_user_ops;

/* ---- structures that system calls pass ------------------------------------------------------------------ */

/* Where a member lies. 0 bytes: the architecture has no such member. Numbers have the architecture's byte order. */
typedef struct pb_user_field {
    uint16_t offset;
    uint8_t bytes;
} pb_user_field;

typedef struct pb_user_layout {
    uint32_t bytes;
    const pb_user_field *fields; /* by the members' numbers below */
} pb_user_layout;

typedef enum pb_user_stat {
    PB_STAT_DEV = 0,
    PB_STAT_INO,
    PB_STAT_MODE,
    PB_STAT_NLINK,
    PB_STAT_UID,
    PB_STAT_GID,
    PB_STAT_RDEV,
    PB_STAT_SIZE,
    PB_STAT_BLKSIZE,
    PB_STAT_BLOCKS,
    PB_STAT_ATIME,
    PB_STAT_ATIME_NSEC,
    PB_STAT_MTIME,
    PB_STAT_MTIME_NSEC,
    PB_STAT_CTIME,
    PB_STAT_CTIME_NSEC,
    PB_STAT_FIELDS
} pb_user_stat;

typedef enum pb_user_epoll_event {
    PB_EPOLL_EVENTS = 0,
    PB_EPOLL_DATA,
    PB_EPOLL_FIELDS
} pb_user_epoll_event;

/* struct sigaction of rt_sigaction(). */
typedef enum pb_user_sigaction {
    PB_SIGACTION_HANDLER = 0,
    PB_SIGACTION_FLAGS,
    PB_SIGACTION_RESTORER,
    PB_SIGACTION_MASK,
    PB_SIGACTION_FIELDS
} pb_user_sigaction;

typedef enum pb_user_struct {
    PB_USER_STAT = 0,
    PB_USER_EPOLL_EVENT,
    PB_USER_SIGACTION,
    PB_USER_STRUCTS
} pb_user_struct;

/* ---- flags -------------------------------------------------------------------------------------------------- */

/* Bits of open() that architectures number differently; asm-generic's values are those of most. */
typedef struct pb_user_open_flags {
    uint32_t directory, nofollow, direct, largefile;
} pb_user_open_flags;

/* ---- signals ------------------------------------------------------------------------------------------------ */

#define PB_USER_SIGINFO 128 /* bytes of siginfo_t, in the program's layout */

/* A signal on its way to a handler, and back in sigreturn. */
typedef struct pb_user_delivery {
    uint32_t size;
    int32_t signal;
    uint64_t handler, restorer, flags; /* of sigaction; restorer is never 0 */
    uint64_t frame;                    /* address of the frame */
    uint64_t mask;                     /* blocked signals to go back to; bit 0 is signal 1 */
    uint64_t stack_base, stack_bytes;  /* sigaltstack */
    int32_t stack_flags;
    uint32_t is_fault; /* an event of the processor: address and syndrome are its */
    uint64_t address, syndrome;
    const uint8_t *siginfo; /* PB_USER_SIGINFO bytes */
} pb_user_delivery;

/* ---- the architecture ----------------------------------------------------------------------------------------- */

/* An auxiliary vector entry that is the architecture's own (AT_HWCAP ...). */
typedef struct pb_user_aux {
    uint64_t type, value;
} pb_user_aux;

/* Registers of a thread as debuggers read them in core files, in the layout of Linux's note of the type. */
typedef struct pb_user_regset {
    uint32_t type;    /* NT_* */
    const char *name; /* of the note: "CORE", or "LINUX" for the architecture's own */
    uint32_t bytes;
    void (*read)(const pb_vcpu *vcpu,
                 uint8_t *to); /* zeros before; the processor is outside of the guest */
} pb_user_regset;

/* The vdso: a shared library that is in each program's memory, and no file. The environment makes its image. */
typedef struct pb_user_vdso_function {
    const char *name; /* as Linux has it: "__kernel_clock_gettime" */
    uint16_t offset, bytes;
} pb_user_vdso_function;

typedef struct pb_user_vdso {
    uint32_t size;
    const uint8_t *
        code; /* functions without frames, which make system calls; last the one that handlers return to */
    uint32_t bytes;
    const pb_user_vdso_function *functions;
    uint32_t n_functions;
    uint32_t sigreturn;  /* its offset: calls rt_sigreturn, as debuggers and unwinders know it */
    const char *version; /* of all functions: "LINUX_2.6.39" */
    uint8_t stack_register,
        return_register; /* DWARF's numbers: the stack pointer, what has the return address */
} pb_user_vdso;

typedef struct pb_user_arch {
    uint32_t size;
    const char *name;     /* as uname() says: "aarch64" */
    uint16_t elf_machine; /* EM_* */
    uint8_t word_bytes;   /* 4 or 8: of pointers and long */
    uint8_t big_endian;
    /* Names of system calls by number, null where there is none; generic names, as in Linux's tables ("newfstatat"). */
    const char *const *syscalls;
    uint32_t n_syscalls;
    const pb_user_layout *const *layouts; /* by pb_user_struct; null: as on a little-endian LP64 */
    pb_user_open_flags open_flags;
    uint32_t red_zone;    /* bytes below the stack pointer that belong to the program */
    uint32_t frame_bytes; /* of a signal frame, a multiple of 16 */
    /* Code that calls rt_sigreturn, where the C library does not bring its own; put where programs can execute it. */
    const uint8_t *restorer;
    uint32_t restorer_bytes;

    /* The state in which a program begins. [setup] */
    void (*start)(pb_vcpu *vcpu, uint64_t pc, uint64_t sp);
    /* Entries of the auxiliary vector, up to `max`; their number. */
    uint32_t (*auxv)(pb_vcpu *vcpu, pb_user_aux *entries, uint32_t max);
    /* The call at PB_USER_SYSCALL: its number; arguments as words. [vcpu] */
    uint64_t (*syscall)(pb_vcpu *vcpu, uint64_t arguments[6]);
    /* Its result: a value, or an error below 0 by its negative number. [vcpu] */
    void (*set_result)(pb_vcpu *vcpu, int64_t result);
    /* Have the call made again, with its first argument: pc back to the instruction. [vcpu] */
    void (*restart)(pb_vcpu *vcpu, uint64_t first_argument);
    uint64_t (*get_sp)(const pb_vcpu *vcpu);
    uint64_t (*get_pc)(const pb_vcpu *vcpu);
    /* A new thread's registers: a copy of those of another, but for the stack pointer (0: the same). [setup] */
    void (*copy)(pb_vcpu *to, const pb_vcpu *from, uint64_t sp);
    void (*set_tls)(pb_vcpu *vcpu, uint64_t address);
    /* Fill the frame of a signal, zeros of frame_bytes, and go to the handler. [vcpu] */
    void (*deliver)(pb_vcpu *vcpu, const pb_user_delivery *delivery, uint8_t *frame);
    /* Where rt_sigreturn expects the frame. [vcpu] */
    uint64_t (*frame_address)(const pb_vcpu *vcpu);
    /* Take registers from a frame; mask and stack into *delivery. False: it is none. [vcpu] */
    bool (*sigreturn)(pb_vcpu *vcpu, const uint8_t *frame, pb_user_delivery *delivery);
    void (*set_sp)(pb_vcpu *vcpu, uint64_t sp);
    /* The first is NT_PRSTATUS with pr_reg alone, the second NT_PRFPREG, others as the kernel has them. */
    const pb_user_regset *regsets;
    uint32_t n_regsets;
    /* Null: none. With one, handlers return to its code instead of `restorer`. */
    const pb_user_vdso *vdso;
} pb_user_arch;

#endif
