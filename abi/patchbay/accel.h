/*
 * Accelerators: what executes guest code. One instance a machine; the core calls run() on each
 * vCPU's thread, again and again, and does between calls what the reasons say.
 */
#ifndef PATCHBAY_ACCEL_H
#define PATCHBAY_ACCEL_H

#include <patchbay/cpu.h>

/* Why run() returned; also the operand of the IR's exit operation. */
typedef enum pb_run_reason {
    PB_RUN_REQUEST = 1, /* exit_request was set, or an instruction wants it looked at */
    PB_RUN_BUDGET,      /* vcpu->budget is used up */
    PB_RUN_IDLE,        /* wait for interrupt: sleep until has_work */
    PB_RUN_YIELD,       /* a spin-wait hint: let others run */
    PB_RUN_POWER_OFF,   /* the vCPU powered itself off */
    PB_RUN_DEBUG,       /* breakpoint, watchpoint, single step */
    PB_RUN_USER,        /* an exception of a user program that its environment handles (user.h) */
} pb_run_reason;

/* A unit as an accelerator executes it, for people who look for what is wrong with it. */
typedef struct pb_accel_unit {
    uint32_t size;
    uint32_t bytes;          /* of code */
    const ir_unit *ir;       /* what it was made from */
    const uint8_t *code;     /* for the host's processor */
    const uint32_t *offsets; /* of each mark's code, UINT32_MAX: not known; null: of none */
} pb_accel_unit;

/* Where fork() is. */
typedef enum pb_fork_phase {
    PB_FORK_BEFORE = 1, /* on the thread that will call it, and go on in both processes */
    PB_FORK_PARENT,     /* after it */
    PB_FORK_CHILD,      /* after it, in the child, which has no other threads */
} pb_fork_phase;

struct pb_host_fault;
struct pb_host_trap;

typedef struct pb_accel_type {
    pb_class head;
    /* [setup], and its opposite */
    bool (*vcpu_init)(void *self, pb_vcpu *vcpu, pb_error *error);
    void (*vcpu_finish)(void *self, pb_vcpu *vcpu);
    /* Execute from the pc slot until there is a reason to return. The guest state is complete on
     * return. Looks at exit_request before the first instruction. [vcpu] */
    uint32_t (*run)(void *self, pb_vcpu *vcpu);
    /* Drop everything cached for this vCPU (state was loaded, a breakpoint was set). [vcpu] */
    void (*flush)(void *self, pb_vcpu *vcpu);
    /* One line a statistic, for `info`. */
    void (*statistics)(void *self, void (*line)(void *opaque, const char *name, uint64_t value),
                       void *opaque);
    /* Whether it keeps vcpu->retired. Null: yes. [setup] */
    bool (*counts)(void *self);
    /* Call fn for every unit there is with the instruction at pc, first for one that was made for the end of the run. Null if it has no
     * host code. While nothing runs. [setup] */
    void (*show)(void *self, pb_vcpu *vcpu, uint64_t pc,
                 void (*fn)(void *opaque, const pb_accel_unit *unit), void *opaque);
    /* Execute one instruction, or take the exception that is there instead. PB_RUN_BUDGET: go on; else as run().
     * Another accelerator, which has asked for this one, does so in its run(). May be null. [vcpu] */
    uint32_t (*step)(void *self, pb_vcpu *vcpu);
    /* Around fork(), while no vCPU executes: pb_fork_phase. From BEFORE on threads and memory of the accelerator stand still,
     * until the parent goes on as before; the child gets what is not copied by fork() for itself, threads and shared memory,
     * and keeps what was translated if it likes. False with the error filled: there can be no child, in BEFORE, after which
     * all goes on; or it cannot go on. Null: fork() copies all that there is. */
    bool (*fork)(void *self, uint32_t phase, pb_error *error);
    /* The host refused an access of emitted code that the vCPU executes: where it goes on, null: that is none of its. In a
     * handler of the host's signals, on the vCPU's thread: takes no lock, allocates nothing. May be null. [vcpu] */
    const void *(*host_fault)(void *self, pb_vcpu *vcpu, const struct pb_host_fault *fault);
    /* Drop what is cached for this vCPU and was made from instructions at virtual addresses from first to last, which are of one
     * page, in whatever address space; more may be dropped. What is being made of them is not kept either. A debugger sets or
     * removes a breakpoint there. It is called for each vCPU, one after the other, while nothing runs. Null: flush(). */
    void (*drop_code)(void *self, pb_vcpu *vcpu, uint64_t first, uint64_t last);
    /* The host's processor trapped (SIGFPE, SIGTRAP) while the vCPU was in run(); trap->in_unit is not filled. True: trap->context was
     * changed so that all goes on; false: that is none of its. In a handler of the host's signals, as host_fault(). May be null.
     * [vcpu] */
    bool (*host_trap)(void *self, pb_vcpu *vcpu, struct pb_host_trap *trap);
} pb_accel_type;

/* A member that was added at the end: true if a type is new enough to have it. */
#define PB_ACCEL_HAS(type, member) \
    ((type)->head.size >= offsetof(pb_accel_type, member) + sizeof((type)->member))

/* ---- "pb.accel/1": another accelerator, for what one does not execute itself ------------------------ */

#define PB_EXTENSION_ACCEL "pb.accel/1"

typedef struct pb_accel_ops {
    uint32_t size;
    /* Load the accelerator of that name, make an instance for the object's machine with properties
     * ("unit-insns=1,cache-size=1MiB"; null: none). Null with the error filled. The machine frees it. Whoever asked calls
     * its vcpu_init() and vcpu_finish(), and sets vcpu->accel to what the former left there around every other call.
     * [setup] */
    void *(*open)(pb_object *object, const char *name, const char *properties,
                  const pb_accel_type **type, pb_error *error);
} pb_accel_ops;

/* ---- "pb.translate/1": units of IR for accelerators ----------------------------------------------- */

#define PB_EXTENSION_TRANSLATE "pb.translate/1"

typedef struct pb_translate_limits {
    uint32_t max_insns; /* 1 for single steps */
    bool follow; /* go on behind conditional branches and along unconditional ones on the page */
} pb_translate_limits;

#define PB_REGION_PIECES 64 /* at most */

typedef struct pb_region_request {
    uint32_t size;
    uint32_t max_insns;   /* of the region */
    uint32_t max_pieces;  /* not more than PB_REGION_PIECES */
    uint32_t piece_insns; /* of one piece, at most */
    /* Whether the region shall go on at pc, which a jump of it leads to. */
    bool (*wanted)(void *opaque, uint64_t pc);
    void *opaque;
    /* Null, or the page of pc as ops->code gave it. Then no other is read, and of the vCPU only what is the same all the
     * time it is there, so it may be done on any thread; unless somebody watches translations. */
    const pb_code_page *page;
} pb_region_request;

typedef struct pb_translate_ops {
    uint32_t size;
    /* Translate a unit at pc under the key, from the code page that holds pc (vcpu->ops->code).
     * Null: fetching the first instruction faults, *fault is filled. The unit belongs to the caller; with
     * reuse not null its memory is used again. The units of one vCPU are made on its thread. [vcpu] */
    ir_unit *(*translate)(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                          const pb_translate_limits *limits, ir_unit *reuse, pb_guest_fault *fault);
    void (*unit_free)(ir_unit *unit);
    /* Write what was executed to the log, if `--log exec` is on (vcpu->log & ...). */
    void (*log_exec)(pb_vcpu *vcpu, const ir_unit *unit);
    /* Whether it is, asked at the beginning of each run(): then units are of one instruction, translated whenever they are
     * executed, and never kept. Also while a debugger steps: who does not keep vcpu->retired then executes what it had
     * translated without looking at exit_request again. */
    bool (*log_exec_enabled)(pb_vcpu *vcpu);
    /* Translate a region: a unit of several pieces of guest code on one page, which go on in each other and loop. The
     * first piece begins at pc; another one begins where a jump leads, if request->wanted says so. Every piece
     * is a block with IR_BLOCK_HEAD (behind an empty first block) and what follows it. Null: there is none of the wanted
     * form, because the code cannot be fetched, is not RAM or has no loop. Otherwise as translate(). [vcpu] */
    ir_unit *(*region)(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                       const struct pb_region_request *request, ir_unit *reuse);
    /* Whether somebody is told of all translations (a log): they are made on the vCPUs' threads then. [any] */
    bool (*watched)(void);
    /* As translate(), but the unit ends before an instruction, not its first, at a pc of which ends() says so: what has a unit
     * already need not be translated again behind another one. */
    ir_unit *(*translate_until)(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                                const pb_translate_limits *limits,
                                bool (*ends)(void *opaque, uint64_t pc), void *opaque,
                                ir_unit *reuse, pb_guest_fault *fault);
} pb_translate_ops;

#endif
