/*
 * What the files of core/vcpu share.
 *
 * A vCPU's block: [first-level TLBs | pb_vcpu_core | pb_vcpu | state]. The core's own part lies in front, so that
 * the public layout stays what emitted code knows.
 */
#ifndef CORE_VCPU_INTERNAL_H
#define CORE_VCPU_INTERNAL_H

#include <core/bus/host.h>
#include <core/vcpu/debug.h>
#include <core/vcpu/vcpu.h>

#include <pthread.h>

/* ---- second level of the TLB --------------------------------------------------------------------------- */

#define PB_TLB_SPACES  16
#define PB_TLB_NUMBERS 4096

/* An address space that an MMU index is in, or was in not long ago; or what is in all spaces of a guest. */
typedef struct pb_tlb_space {
    uint32_t guest, id;
    bool global;
    uint8_t entered; /* pb_tlb2_kinds: what is in the second level under the number */
    uint32_t number; /* in tags; 0: the row is free. Another one flushes the space */
    uint32_t used;   /* when it was current last */
    /* Which addresses may be covered by a piece of a larger mapping: a flush of any address of the
     * mapping flushes all pieces. Bits by address modulo their number; up to 2 MiB, up to 1 GiB, larger. */
    uint64_t medium[16];
    uint64_t large;
    bool huge;
} pb_tlb_space;

/* All of one MMU index. */
typedef struct pb_tlb_set {
    pb_tlb_refill refill; /* vcpu->refill leads here while the spaces are known */
    pb_tlb_space
        *local; /* the current space; null: not looked for since the last flush of everything */
    pb_tlb_space *global; /* null like `local` */
    pb_tlb_space spaces[PB_TLB_SPACES];
} pb_tlb_set;

/* The value of vcpu->tlb_epoch that stands for a space, as long as nothing else changes. */
typedef struct pb_known_epoch {
    uint32_t guest, space, epoch;
} pb_known_epoch;

#define PB_KNOWN_EPOCHS    16
#define PB_CODE_PAGES_BITS 12

/* ---- posted work --------------------------------------------------------------------------------------- */

#define PB_POSTED_FLUSHES 32 /* more become a flush of everything */
#define PB_POSTED_UNTAGS  32

typedef struct pb_posted_untag {
    const uint8_t *host;
    uint64_t bytes;
} pb_posted_untag;

typedef struct pb_posted_call {
    void (*fn)(pb_vcpu *target, uint64_t argument);
    uint64_t argument;
} pb_posted_call;

typedef struct pb_posted {
    uint32_t flush_mask; /* MMU indexes to flush whole */
    uint32_t flush_count, untag_count;
    bool untag_all;
    pb_tlb_flush flushes[PB_POSTED_FLUSHES];
    pb_posted_untag untags[PB_POSTED_UNTAGS];
} pb_posted;

typedef struct pb_vcpu_core {
    pb_cpus *cpus;
    pb_runner *runner;
    pb_reader *reader;
    uint64_t generation; /* of the memory's view that the TLB was filled under */
    bool unsynced;       /* broadcast flushes were posted since the last tlb_sync */
    uint32_t turned_off; /* atomic: set_powered(false) by the vCPU itself */
    uint32_t aside;      /* atomic: nobody executes on it (pb_cpus_put_aside) */
    pb_tlb_set *sets[PB_MMU_INDEXES];
    pb_known_epoch now[PB_MMU_INDEXES]; /* the spaces that the indexes are in; .epoch is not used */

    /* The second level, and the numbers in its tags. */
    pb_tlb2 *second;
    uint32_t last_number, uses;
    uint32_t turn;     /* which way is replaced next */
    uint32_t set_mask; /* pb_tlb_refill.set_mask of all indexes */
    uint32_t
        crowded; /* how much more often an entry in use had to go than there was room for another */
    uint64_t live[PB_TLB_NUMBERS / 64]; /* numbers that a row has */

    /* vcpu->tlb_epoch. */
    uint32_t last_epoch;
    uint32_t epoch_mask; /* MMU indexes whose spaces `known` is about */
    uint32_t known_count, known_turn;
    pb_known_epoch known[PB_KNOWN_EPOCHS];
    uint64_t code_pages[(1 << PB_CODE_PAGES_BITS) /
                        64]; /* where code was asked for, by a hash of the address */

    bool only_ram;  /* tlb_fill: page tables elsewhere are not read */
    bool abandoned; /* because of that */

    uint32_t cluster;

    /* Debuggers: how it goes on, written while it stands or on its thread; the rest is its thread's. */
    pb_debug_pace pace;
    bool passes;           /* the step is over a breakpoint of others: nobody is told */
    bool step_taken;       /* the unit of the step was made */
    uint64_t step_retired; /* vcpu->retired when it began */
    pb_debug_stop stop;

    uint32_t has_posted;  /* atomic */
    pthread_mutex_t lock; /* posted, calls */
    pb_posted posted;
    GArray *calls; /* pb_posted_call */
} pb_vcpu_core;

#define PB_VCPU_CORE_SIZE ((sizeof(pb_vcpu_core) + 63) & ~(size_t)63)

static inline pb_vcpu_core *pb_vcpu_core_of(pb_vcpu *vcpu)
{
    return (pb_vcpu_core *)(void *)((char *)vcpu - PB_VCPU_CORE_SIZE);
}

/* From the start of the block to the vCPU. */
#define PB_VCPU_OFFSET (PB_MMU_INDEXES * sizeof(pb_tlb) + PB_VCPU_CORE_SIZE)

/* The first level of an MMU index: room in the block, filled in or not. */
static inline pb_tlb *pb_vcpu_first_tlb(pb_vcpu *vcpu, uint32_t mmu)
{
    return (pb_tlb *)(void *)((char *)vcpu - PB_VCPU_OFFSET) + mmu;
}

typedef struct pb_debug pb_debug;

#define PB_MOST_CPUS 65536

struct pb_cpus {
    pb_sched *sched;
    pb_space *memory;
    pb_vcpu **vcpus;          /* room for PB_MOST_CPUS; who is in stays, in its place */
    uint32_t n_vcpus;         /* atomic; written after the place */
    pthread_mutex_t lock;     /* adding vCPUs, and those aside */
    GPtrArray *aside;         /* pb_vcpu */
    uint32_t prepared;        /* atomic: MMU indexes that emitted code accesses */
    pthread_mutex_t tlb_lock; /* making a pb_tlb_set */
    const pb_accel_type *accel_type;
    void *accel;
    void (*debug)(void *opaque, pb_vcpu *vcpu);
    void *debug_opaque;
    pb_debug *tables; /* what a debugger asked for; null: nothing yet */
    bool watched;     /* it has watchpoints */
};

/* ---- tlb.c --------------------------------------------------------------------------------------------- */

/* What an access found out about its address. */
typedef struct pb_hit {
    uint64_t gpa;
    uint64_t mapping; /* bytes of the mapping, at most PB_PAGE_SIZE */
    pb_attrs attrs;
    uint8_t prot;
    uint8_t device;
    bool global;
    bool block; /* the entry is a block's */
    pb_tlb2_entry
        *entry; /* where it was found or entered; null: it cannot be. Until the next translation */
} pb_hit;

/* One access in the slow path. */
typedef struct pb_slow {
    pb_vcpu *vcpu;
    uint64_t gva;
    uint32_t attr;
    uint32_t type; /* pb_access_type */
    pb_guest_fault *fault;
} pb_slow;

/* Translate gva (second level, else the walk). False with the fault filled. */
bool pb_tlb_translate(const pb_slow *slow, uint64_t gva, pb_hit *hit);
/* Enter a page of RAM or ROM into the first level, with a write tag if the access is a write. */
void pb_tlb_enter(const pb_slow *slow, const pb_hit *hit, const pb_range *range);
/* Whether the first level has the page's tag for the kind of access. */
bool pb_tlb_is_tagged(const pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, bool write);
/* Drop what the first level has: of the current space, or all (pb_tlb_touched). */
void pb_tlb_clear_first(pb_tlb_set *set, uint32_t touched);
/* Drop the page at gva from the first level, and from a space. */
void pb_tlb_drop_first(pb_tlb_set *set, uint64_t gva);
void pb_tlb_drop_second(pb_vcpu *vcpu, const pb_tlb_space *space, uint64_t gva);
/* Empty the second level, and give its memory back. */
void pb_tlb_empty_second(pb_vcpu_core *core);
void pb_tlb_free(pb_vcpu *vcpu);
intptr_t pb_vcpu_tlb_prepare(pb_vcpu *vcpu, uint32_t mmu);
/* A vCPU that was added: what the others were prepared for. */
void pb_tlb_prepare_new(pb_vcpu *vcpu);

/* ---- spaces.c ------------------------------------------------------------------------------------------ */

/* Look for the spaces that the MMU index is in. */
void pb_tlb_find_spaces(pb_vcpu *vcpu, pb_tlb_set *set, uint32_t mmu);
/* Flush a space: the current ones get other numbers, others their rows back. */
void pb_tlb_forget_space(pb_vcpu *vcpu, pb_tlb_set *set, pb_tlb_space *space);
/* A mapping was entered in pieces; whether the address may be of one. */
void pb_tlb_note_mapping(pb_tlb_space *space, uint64_t gva, uint64_t bytes);
bool pb_tlb_may_be_larger(const pb_tlb_space *space, uint64_t gva);
/* What emitted code reads of the rows and of the second level's size, after a change. */
void pb_tlb_tell(const pb_vcpu_core *core, pb_tlb_set *set);
static inline bool pb_tlb_is_live(const pb_vcpu_core *core, uint64_t tag)
{
    uint32_t number = tag & (PB_TLB_NUMBERS - 1);

    return core->live[number / 64] >> (number % 64) & 1;
}
/* What chooses, with the low bits of its address, the set of a page or block in the second level. */
static inline uint32_t pb_tlb_salt(uint32_t number)
{
    return number * 0x2b5 & (PB_TLB2_SETS - 1);
}
void pb_vcpu_tlb_switch(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space);

/* vcpu->tlb_epoch: code was asked for at gva; whether it was, perhaps, since the last change; another epoch; another one
 * for a space. */
void pb_tlb_note_code(pb_vcpu *vcpu, uint64_t gva);
bool pb_tlb_may_have_code(const pb_vcpu *vcpu, uint64_t gva);
void pb_tlb_renew_epoch(pb_vcpu *vcpu);
void pb_tlb_renew_epoch_of(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space);

/* ---- flush.c ------------------------------------------------------------------------------------------- */

/* Flush everything if the memory map changed since the TLB was filled. */
void pb_tlb_follow_map(pb_vcpu *vcpu);
void pb_tlb_flush_all(pb_vcpu *vcpu);
/* The same, and forget what no flush needs to: as if the vCPU were new. */
void pb_tlb_start_anew(pb_vcpu *vcpu);
/* Apply what others posted, but for calls. [vcpu] */
void pb_tlb_do_posted(pb_vcpu *vcpu);
/* The pb_bus_set_untag() of the memory's bus; opaque is pb_cpus. */
void pb_tlb_untag(void *opaque, const uint8_t *host, uint64_t bytes);

void pb_vcpu_tlb_flush(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t scope);
void pb_vcpu_tlb_flush_page(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes, uint32_t mmu_mask,
                            uint32_t scope);
void pb_vcpu_tlb_flush_some(pb_vcpu *vcpu, const pb_tlb_flush *flush);
void pb_vcpu_tlb_sync(pb_vcpu *vcpu);

/* ---- memory.c, atomic.c, physical.c ---------------------------------------------------------------------- */

/* Fill a fault of the access. Returns PB_MEM_FAULT. */
pb_mem_result pb_slow_fault(const pb_slow *slow, uint32_t kind, uint64_t gva, uint64_t gpa);
/* Whether the operation's alignment is kept. */
static inline bool pb_is_aligned(uint64_t gva, uint32_t attr)
{
    return (gva & ((UINT64_C(1) << PB_MEM_GET_ALIGN_LOG2(attr)) - 1)) == 0;
}
/* The value in the other byte order; size 1 to 16. */
static inline pb_u128 pb_swap128(pb_u128 value, uint32_t size)
{
    if (size == 16)
        return (pb_u128){ __builtin_bswap64(value.hi), __builtin_bswap64(value.lo) };
    return (pb_u128){ pb_swap(value.lo, size), 0 };
}
/* A loaded number of `size` bytes as the operation wants it. */
static inline uint64_t pb_extend(uint64_t value, uint32_t size, uint32_t attr)
{
    uint32_t shift = 64 - 8 * size;

    return attr & PB_MEM_SIGNED ? (uint64_t)((int64_t)(value << shift) >> shift)
                                : value << shift >> shift;
}
/* An MMIO access was made: it may have changed the memory map. */
static inline void pb_mmio_made(pb_vcpu *vcpu)
{
    pb_tlb_follow_map(vcpu);
}
static inline uint64_t pb_range_page(const pb_range *range, uint64_t gpa)
{
    return (range->ram_offset + (gpa - range->first)) >> PB_PAGE_BITS;
}
/* Its place in the RAM. */
static inline uint64_t pb_range_at(const pb_range *range, uint64_t gpa)
{
    return range->ram_offset + (gpa - range->first);
}
static inline uint8_t *pb_range_host(const pb_range *range, uint64_t gpa)
{
    return range->host + (gpa - range->first);
}

pb_mem_result pb_vcpu_mem_load(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                               pb_guest_fault *fault);
pb_mem_result pb_vcpu_mem_store(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                                pb_guest_fault *fault);
bool pb_vcpu_tlb_fill(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, bool write);
bool pb_vcpu_is_beside_code(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t bytes);

pb_mem_result pb_vcpu_rmw(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t op, uint64_t operand,
                          uint64_t *old, pb_guest_fault *fault);
pb_mem_result pb_vcpu_cas(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 expected,
                          pb_u128 desired, pb_u128 *old, pb_guest_fault *fault);
pb_mem_result pb_vcpu_ldx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                          pb_guest_fault *fault);
pb_mem_result pb_vcpu_stx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                          pb_guest_fault *fault);
/* 16 bytes, naturally aligned, single-copy atomic. */
pb_u128 pb_host_load16(const uint8_t *host);
void pb_host_store16(uint8_t *host, pb_u128 value);

pb_mem_result pb_vcpu_translate(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                                pb_guest_fault *fault);
pb_mem_result pb_vcpu_code(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                           pb_guest_fault *fault);
bool pb_vcpu_code_reads(pb_vcpu *vcpu, const pb_code_page *page, uint32_t first, uint32_t bytes);
void pb_vcpu_code_flush(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes);
pb_bus_result pb_vcpu_phys_read(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                uint64_t *value);
pb_bus_result pb_vcpu_phys_write(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                 uint64_t value);
bool pb_vcpu_phys_cas(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size, uint64_t expected,
                      uint64_t desired);

/* ---- debug.c ------------------------------------------------------------------------------------------- */

void pb_debug_free(pb_cpus *cpus);
/* There are watchpoints: whether some are in the aligned stretch of `bytes` around gva, a power of two. */
bool pb_debug_watches_some(const pb_vcpu_core *core, uint64_t gva, uint64_t bytes);
/* There are watchpoints: whether the access, which nothing else forbids, meets one. The fault is filled. */
bool pb_debug_is_watched(const pb_slow *slow, uint32_t kind);
static inline bool pb_slow_is_watched(const pb_slow *slow, uint32_t kind)
{
    return G_UNLIKELY(pb_vcpu_core_of(slow->vcpu)->cpus->watched) &&
           pb_debug_is_watched(slow, kind);
}
/* For run(): one step; take back the count of an instruction that a watchpoint kept from being done; tell. */
uint32_t pb_debug_step(pb_vcpu *vcpu);
void pb_debug_uncount(pb_vcpu *vcpu);
void pb_debug_stopped(pb_vcpu *vcpu);

/* ---- run.c --------------------------------------------------------------------------------------------- */

extern const pb_runner_ops pb_vcpu_runner_ops;

/* Whether what others are told matters to it. Who is put aside forgets everything when it comes back, and says that it did
 * before it looks at anything: so who changes something first and then asks may leave it out. */
static inline bool pb_vcpu_is_aside(pb_vcpu *vcpu)
{
    return __atomic_load_n(&pb_vcpu_core_of(vcpu)->aside, __ATOMIC_SEQ_CST) != 0;
}

void pb_vcpu_kick(pb_vcpu *vcpu, uint32_t bits);
void pb_vcpu_run_on(pb_vcpu *target, void (*fn)(pb_vcpu *target, uint64_t argument),
                    uint64_t argument);
void pb_vcpu_set_powered(pb_vcpu *vcpu, bool powered);
bool pb_vcpu_powered(pb_vcpu *vcpu);

#endif
