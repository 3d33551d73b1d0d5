/*
 * accel-jit: what its files share.
 *
 * A vCPU's thread finds the unit for its pc, makes it if there is none, and runs emitted code until
 * that is left; the code finds its way from unit to unit by linked jumps and by the jump table of the
 * unit key in force. Everything of a jit_vcpu is used on the vCPU's thread. Regions are made by other threads
 * (compile.c), which see nothing of a vCPU but what it gave them.
 */
#ifndef ACCEL_JIT_H
#define ACCEL_JIT_H

#include <patchbay/accel.h>
#include <patchbay/tc.h>

#include <pthread.h>
#include <time.h>

/* Instructions of a unit, at most. The interpreter's are as long, though nothing depends on it. */
enum { UNIT_INSNS = 48 };

/* Instructions of a unit whose places in the code are kept, at most. */
enum { UNIT_LINES = 640 };

/* Unit keys whose jump tables a vCPU keeps: user and kernel, with a few rounding modes. A program has one address space, whose
 * earlier epochs never come back, and perhaps a thousand vCPUs. Of the far entries, 128 KiB, those that are used take memory. */
enum { JUMP_TABLES = 8, USER_JUMP_TABLES = 2, FAR_JUMP_BITS = 13 };

typedef struct jump_table {
    uint64_t key;
    uint32_t epoch; /* vcpu->tlb_epoch that it was filled under */
    uint32_t used;  /* when it was in force last; 0: never */
    bool far_used;  /* since it was cleared */
    pb_jump_entry entries[PB_JUMP_ENTRIES];
    pb_jump_entry far[1 << FAR_JUMP_BITS];
} jump_table;
_Static_assert(offsetof(jump_table, far) ==
                   offsetof(jump_table, entries) + PB_JUMP_ENTRIES * sizeof(pb_jump_entry),
               "the far entries stand behind the others");

/* Property `regions`. */
typedef enum jit_regions { REGIONS_OFF, REGIONS_SAMPLED, REGIONS_ALWAYS } jit_regions;

/* Property `fp-traps`. */
typedef enum jit_fp_traps { FP_TRAPS_OFF, FP_TRAPS_ADAPTIVE, FP_TRAPS_ALWAYS } jit_fp_traps;

/* In unit keys: the code tests for invalid operations of floating point, which do not trap. */
#define KEY_TESTS PB_KEY_ACCEL

/* Where samples found a vCPU. */
typedef struct jit_met {
    uint64_t pc, key;
    const uint32_t *page;
    const pb_tc_unit *unit; /* that was promoted, or could not be; compared only */
    uint32_t samples;
    uint32_t reserved;
} jit_met;

enum { MET = 1024 };

/* Property `only`. */
enum { RANGES = 16 };

typedef struct jit_range {
    uint64_t first, last;
} jit_range;

typedef struct jit {
    pb_object *self;
    uint64_t cache_bytes;        /* property */
    uint32_t mixed_after;        /* property */
    bool compare;                /* property */
    bool direct;                 /* property */
    uint32_t evict_every;        /* property */
    const char *codegen_name;    /* property; "": the host's */
    const char *codegen_options; /* property; "": none */
    const char *only;            /* property; "": all */
    uint32_t n_ranges;           /* of it; 0: all is compiled */
    jit_range ranges[RANGES];
    const pb_accel_type *other; /* that executes the rest */
    void *other_self;
    const pb_translate_ops *translate;
    const pb_codegen_type *codegen;
    void *codegen_self;
    pb_codegen_info info;
    const pb_tc_ops *tc_ops;
    pb_tc *tc; /* made with the first vCPU */
    uint32_t vcpus;
    bool counted;
    bool is_user;       /* a program's processors, which come and go */
    bool compares;      /* atomic: a region was made that compares only where it is entered */
    int32_t stays_left; /* atomic: in a child of fork(), until it has threads again */
    pid_t process;      /* while that is above 0: who makes them */
    uint64_t translated, insns, translating_ns; /* statistics; atomic */
    uint32_t regions;                           /* property: jit_regions */
    uint32_t fp_traps;                          /* property: jit_fp_traps */
    bool tests;   /* atomic: traps came so often that units had better test (traps.c) */
    bool entered; /* atomic: too often regions were not entered (refused()) */
    bool has_sampler;
    bool asleep;                 /* atomic: the sampler is */
    uint32_t compile_threads;    /* property; 0: regions are compiled on the vCPUs' threads */
    struct compilers *compilers; /* null: none */
    /* Statistics; atomic. What was asked for is published, discarded, no loop, or waits. */
    uint64_t requests, published, discarded, no_loops, compiling_ns;
    pthread_t sampler;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    bool ending;
    struct jit_vcpu *first; /* of all vCPUs */
    jit_met met[MET];
} jit;

typedef struct jit_vcpu {
    jit *jit;
    pb_vcpu *vcpu;
    void *other; /* vcpu->accel of the one that executes what `only` leaves out */
    pb_tc_user *user;
    char *pc_slot; /* in the guest state */
    bool pc_is_32;
    bool running; /* atomic */
    struct jit_vcpu *next;
    bool flush_wanted;
    bool may_trap;    /* invalid operations of floating point, if that is wanted */
    bool traps;       /* they do now */
    uint32_t n_traps; /* atomic; counted in the handler of signals */
    uint64_t trapping_since;
    uint32_t refused; /* entries of regions */
    uint64_t refused_at;
    uint32_t watched; /* what vcpu->watched was when units were made */
    bool logging;     /* --log exec: units of one instruction, nothing kept */
    uint32_t align_log2;
    uint64_t key;       /* the unit key in force */
    uint64_t looked_up; /* a statistic; atomic: indirect jumps that the tables had not */
    jump_table *table;
    jump_table *tables[JUMP_TABLES];
    uint32_t uses;
    ir_unit *ir;            /* memory for translations */
    const uint8_t *linking; /* the site that the next unit is wanted for, or null */
    const uint8_t
        *unlisted; /* code of the last unit that is not in the cache: only `job` knows it */
    pb_code_job job;
    pb_code_line lines[UNIT_LINES]; /* of job: for those who look at code */
} jit_vcpu;

/* Who makes a region: the thread of a vCPU, or one of the compilers. */
typedef struct jit_maker {
    jit *jit;
    pb_tc_user *user;
    pb_vcpu *vcpu;  /* that it is for */
    pb_vcpu *fp_of; /* which has its environments, perhaps those of before */
    ir_unit *ir;    /* memory for translations, which belongs to the maker's owner */
    pb_code_job *job;
    pb_code_line *lines; /* UNIT_LINES */
} jit_maker;

static inline jit_maker maker_of(jit_vcpu *x)
{
    return (jit_maker){ x->jit, x->user, x->vcpu, x->vcpu, x->ir, &x->job, x->lines };
}

/* What is wanted of find_entry(). */
typedef enum jit_want {
    WANT_ORDINARY = 0,
    WANT_ALONE,  /* one instruction that may do everything */
    WANT_BUDGET, /* no more instructions than the budget has; not kept */
} jit_want;

/* ---- units.c ---------------------------------------------------------------------------------------- */

/* fault->kind of find_entry() for what is no fault of the guest. */
enum { NO_CODE = 0, NO_ROOM_NOW = UINT32_MAX };

/* The checked entry of the unit at pc; null with the fault filled if it cannot be fetched, with kind NO_CODE if it
 * cannot be made, NO_ROOM_NOW if memory for it comes when others went on. */
const void *find_entry(jit_vcpu *x, uint64_t pc, jit_want want, pb_guest_fault *fault);
/* The pc of an unlinked jump by its site; false if nobody knows it any more. */
bool pc_of_site(jit_vcpu *x, const uint8_t *site, uint64_t *pc);

/* Emit m->ir as a region of that unit key into m->job; false if it cannot be. */
bool emit_region(const jit_maker *m, uint64_t key);

/* ---- traps.c ---------------------------------------------------------------------------------------- */

/* The vCPU is new. */
void begin_traps(jit_vcpu *x);
/* Before the unit key is asked for. True: it is another one. */
bool follow_traps(jit_vcpu *x);
/* The unit key in force, by the translator. */
uint64_t key_of(const jit_vcpu *x);
/* pb_code_flags that follow from a unit key. */
uint32_t flags_of_key(uint64_t key);
/* In a handler of signals: pb_accel_type.host_trap. */
bool take_trap(jit_vcpu *x, pb_host_trap *trap);

/* ---- region.c --------------------------------------------------------------------------------------- */

/* The thread that samples where vCPUs are, if the property says so. */
bool start_sampler(jit *j, pb_error *error);
void stop_sampler(jit *j);
/* It is not there, in a child of fork(), which holds its lock; which makes it again. */
void lose_sampler(jit *j);
void make_sampler_again(jit *j);
void add_to_sampled(jit_vcpu *x);
void remove_from_sampled(jit_vcpu *x);
/* The vCPU begins to execute, or ends. */
void say_running(jit_vcpu *x, bool running);
/* A sample found the vCPU at the entry of what is at pc: perhaps make a region of it. */
void met(jit_vcpu *x, uint64_t pc);
/* A region that has `site` was not entered (PB_CODE_EXIT_ALONE). */
void refused(jit_vcpu *x, const uint8_t *site);
/* A region was asked for and made, for regions=always; whether it was published. */
void count_region(jit *j, bool published);
/* Translate and emit a region into x->ir and x->job; false if there is none. */
bool make_region(jit_vcpu *x, const pb_tc_key *key);
/* Make a region and let it take the place of the unit of that name. page: as pb_region_request says. Counts what became
 * of it. */
void promote(jit_maker *m, const pb_tc_key *key, const pb_code_page *page);
/* The sample that asked for it was in vain: the next one may ask again. */
void ask_again(jit *j, const pb_tc_key *key);

/* ---- compile.c -------------------------------------------------------------------------------------- */

/* The threads that the property says; the cache is there. */
bool start_compilers(jit *j, pb_error *error);
/* Ends them; what waits is forgotten. */
void stop_compilers(jit *j);
/* Let one of them promote what is at the key, on the page; on the thread of the vCPU. False: there is no room. */
bool post_request(jit_vcpu *x, const pb_tc_key *key, const pb_code_page *page);
/* Drop all units, and what is being made from what they were made from. [any] */
void drop_everything(jit *j);

/* Nobody makes anything until they are released, or lost in a child of fork(); which makes them again. */
void hold_compilers(jit *j);
void release_compilers(jit *j);
void lose_compilers(jit *j);
void make_compilers_again(jit *j);

/* ---- fork.c ----------------------------------------------------------------------------------------- */

/* pb_accel_type.fork */
bool fork_jit(jit *j, uint32_t phase, pb_error *error);
/* While j->stays_left is above 0. */
void count_stay(jit *j);

/* ---- jumps.c ---------------------------------------------------------------------------------------- */

/* Put the jump table of the key in force, empty if what it knew may be wrong. */
void use_jumps(jit_vcpu *x, uint64_t key);
void remember_jump(jit_vcpu *x, uint64_t pc, const void *entry);
/* What it knows of a pc, or null. The entry may be retired: who arrives at it and comes back asks find_entry(). */
const void *recall_jump(jit_vcpu *x, uint64_t pc);
/* Whether it has a unit, or had one; false may be wrong. */
bool knows_jump(const jit_vcpu *x, uint64_t pc);
/* Forget all of all tables. */
void forget_jumps(jit_vcpu *x);
void free_jumps(jit_vcpu *x);

static inline uint64_t read_pc(const jit_vcpu *x)
{
    return x->pc_is_32 ? *(const uint32_t *)(const void *)x->pc_slot
                       : *(const uint64_t *)(const void *)x->pc_slot;
}

static inline void write_pc(jit_vcpu *x, uint64_t pc)
{
    if (x->pc_is_32)
        *(uint32_t *)(void *)x->pc_slot = (uint32_t)pc;
    else
        *(uint64_t *)(void *)x->pc_slot = pc;
}

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- show.c ----------------------------------------------------------------------------------------- */

/* pb_accel_type.show. */
void show_units(jit_vcpu *x, uint64_t pc, void (*fn)(void *opaque, const pb_accel_unit *unit),
                void *opaque);

/* ---- only.c ----------------------------------------------------------------------------------------- */

/* Read the property, ask for the interpreter if there is one. */
bool only_init(jit *j, pb_error *error);
/* It wants to see the vCPU; what it keeps there is *other. */
bool only_vcpu_init(jit *j, pb_vcpu *vcpu, void **other, pb_error *error);
void only_vcpu_finish(jit *j, pb_vcpu *vcpu, void *other);
/* What the accelerator keeps of a vCPU, also while the interpreter has it. */
jit_vcpu *only_own(jit *j, pb_vcpu *vcpu);
void only_flush(jit_vcpu *x);
void only_drop_code(jit_vcpu *x, uint64_t first, uint64_t last);
/* Whether what begins at pc is compiled. */
bool only_has(const jit *j, uint64_t pc);
/* Have the interpreter execute an instruction: a pb_run_reason. */
uint32_t only_step(jit_vcpu *x);

/* ---- run.c ------------------------------------------------------------------------------------------- */

/* Execute from the pc slot; a pb_run_reason. */
uint32_t execute(jit_vcpu *x);

#endif
