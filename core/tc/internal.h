/*
 * The translation cache: its parts, and the rules that they keep.
 *
 * Memory is one file mapped twice, cut into slabs. A slab has room for code, for the headers of its units and for the
 * records of their jumps, all three filled from the bottom: so headers are sorted by address, and all of a
 * slab is reused at once. Slab 0 has the thunks.
 *
 * 1. tc->lock guards everything but what rule 2 names. It is the innermost lock: under it only the generator's link()
 *    and retire() are called, which patch one place. So whoever stores to a page of code may take it, whatever
 *    locks it holds.
 * 2. Readers without the lock see: buckets and chains of the hash table, a slab's number of units, headers
 *    (constant once they are entered, but for links in lists), jump records' places. The number and the bucket are
 *    stored last, with release.
 * 3. A unit is alive from publish() until it is dropped, for one of the reasons in tc_reason. Dropping takes it out of
 *    its chain and page, makes its entry lead to its stale stub, and its jumps and those to it to where they lead
 *    while not linked. Its code, header and records stay: they may be executed, and stood on in a chain.
 * 4. A slab is evicted: all its units are dropped, it gets a new epoch and goes into limbo. It is free when every user
 *    is outside, or has been quiescent with that epoch or a later one. (user->active; entering looks at the epoch
 *    again after it has stored it, so that either the user sees the new one, or who evicts sees the user.)
 * 5. A user is told to forget remembered entries when it takes on another epoch. What was only dropped need not be
 *    forgotten: its entry is retired.
 * 6. publish() compares the pages' stamps under the lock; a page's generation is counted up before the lock is taken to
 *    drop units made from the lines that were written. So either the stamp differs, or the unit is entered in time to be
 *    dropped. Whoever wrote goes on after that (core/bus/ram.c).
 * 7. Slabs are evicted ahead of need, so that `spares` of them are free or in limbo. Nobody waits: if all are in limbo,
 *    the users that hold them back are nudged and reserve() says PB_TC_LATER.
 * 8. The oldest slab is evicted first, with a second chance. Some slabs before it is its turn it is cooled: jumps from
 *    other slabs are unlinked, and users forget their entries; if units of it are looked up after that,
 *    it goes to the end of the queue instead.
 * 9. A slab that somebody writes in is left alone only from reserve() to the end of that reservation.
 * 10. A region has loops inside, which are not left by way of an entry or of a link. When one is dropped, after all that
 *    rule 3 says, users' request words are set. Who looks at one and clears it looks units up after that.
 *
 * 11. After fork() the memory for code would be the parent's still, who goes on changing it. So it is copied before, when nobody
 *    does, and the child maps the copy in its place: addresses stay, and so do units, links, and what users remember.
 *
 * Not here: the cache on disk, units of more than two pages.
 */
#ifndef CORE_TC_INTERNAL_H
#define CORE_TC_INTERNAL_H

#include <core/tc/tc.h>
#include <patchbay/ir.h>

#include <pthread.h>

#define MIN_BYTES     (UINT64_C(1) << 20)
#define MAX_BYTES     (UINT64_C(1) << 31)
#define MIN_SLAB_LOG2 15 /* 1 MiB has 32 of them */
#define MAX_SLAB_LOG2 18
#define UNIT_ALIGN    16
#define TC_LINE_BYTES 64 /* of code that is written to */
/* Code for each header and jump record that a slab has room for; with more of them it is full earlier. */
#define UNIT_BYTES_LOG2 6
#define LINK_BYTES_LOG2 4
#define BUCKET_LOG2     9 /* code for each bucket */

/* Classes of units by their bytes, for statistics. */
enum { TC_SMALLEST = 256, TC_SIZES = 7 };

/* Why a unit was dropped. */
typedef enum tc_reason {
    TC_STALE = 0,
    TC_EVICTED,
    TC_FLUSHED,
    TC_REPLACED,
    TC_CHANGED,
    TC_DEBUGGED,
    TC_REASONS
} tc_reason;

typedef enum tc_unit_state {
    TC_UNIT_DROPPED = 0,
    TC_UNIT_ALIVE,
    /* Not a unit: hangs the one before it into the list of its second page. */
    TC_UNIT_SECOND,
} tc_unit_state;

/* Units and jump records have numbers over all slabs; 0 is none. */
typedef struct tc_unit {
    pb_tc_unit head;
    uint32_t chain;                /* atomic: the next in the bucket */
    uint32_t first_in;             /* jump record: the first of those that lead here */
    uint32_t page_next, page_prev; /* units of the same group of the same page */
    uint64_t lines;         /* of its page: bit i: made from bytes of the 64 from 64 i on; not 0 */
    uint32_t direct, stale; /* offsets in the code */
    uint16_t first_link;    /* in the slab */
    uint8_t n_links : 7;
    uint8_t is_region : 1;
    uint8_t state; /* tc_unit_state */
} tc_unit;

/* A direct jump. Packed: there are more of them than of anything else. */
typedef struct __attribute__((packed, aligned(4))) tc_link {
    uint64_t pc;
    uint32_t site : 24;  /* offset in the slab */
    uint32_t flags : 8;  /* pb_code_link_flags */
    uint32_t stub;       /* offset in the slab */
    uint32_t target;     /* unit, 0: not linked */
    uint32_t next, prev; /* jump records with the same target */
} tc_link;

_Static_assert(sizeof(tc_unit) == 104 && sizeof(tc_link) == 28, "memory for each unit and jump");
_Static_assert(1 << MIN_SLAB_LOG2 >= PB_CODEGEN_THUNK_BYTES, "thunks are in slab 0");
_Static_assert(PB_CODE_LINKS < 1 << 7, "n_links");
_Static_assert((1 << (MAX_SLAB_LOG2 - LINK_BYTES_LOG2)) <= UINT16_MAX, "first_link");

typedef struct tc_watch tc_watch;

/* Units of a page, in groups by the first line that they were made from: a store looks only into groups of which some unit
 * may have its line, so that thousands of units of other lines do not make it slow. */
enum { PAGE_GROUPS = 16, GROUP_LINES = 64 / PAGE_GROUPS };

typedef struct tc_page {
    uint32_t first[PAGE_GROUPS]; /* unit, 0: none */
    uint64_t lines[PAGE_GROUPS]; /* at least of all units that are there */
    uint32_t n_units;            /* headers that are listed */
} tc_page;

typedef struct tc_slab {
    GList node; /* in one of tc->{empty,full,limbo} */
    uint32_t index;
    uint32_t used;    /* bytes of code */
    uint32_t present; /* bytes that there is memory for, at least; who has reserved changes it */
    uint32_t n_units; /* atomic */
    uint32_t n_links;
    uint64_t epoch; /* of its eviction, in limbo */
    pb_tc_user *writer;
    bool cooled;
} tc_slab;

struct pb_tc_user {
    pb_tc *tc;
    uint64_t active;  /* atomic: the epoch that it was last quiescent with, 0: outside */
    uint64_t seen;    /* its own: the same, also outside */
    uint64_t missed;  /* atomic: lookups */
    uint32_t writing; /* atomic: it has a reservation in `slab` */
    tc_slab *slab;    /* under the lock */
    uint64_t nudged;  /* under the lock: for slabs up to that epoch */
    void (*nudge)(void *opaque);
    void *opaque;
    uint32_t *request; /* rule 10: a word and what is or'd into it; null: none */
    uint32_t request_bits;
} __attribute__((aligned(64)));

struct pb_tc {
    pb_bus *bus;
    const pb_codegen_type *codegen;
    void *codegen_self;
    int fd;
    int copy; /* around fork(): rule 11 */
    uint64_t bytes;
    uint8_t *rw, *rx;
    uint32_t slab_log2, n_slabs;
    tc_slab *slabs;
    uint8_t *touched; /* one a slab, atomic: a unit was looked up since it was cooled */
    tc_unit *units;   /* (1 << (slab_log2 - UNIT_BYTES_LOG2)) for each slab */
    tc_link *links;
    uint32_t *buckets;
    uint32_t bucket_bits;

    uint64_t epoch; /* atomic; 1 is the first */
    pthread_mutex_t lock;
    GPtrArray *users;
    GHashTable *pages;         /* generation to its tc_page */
    GQueue empty, full, limbo; /* slabs; full: in use, the oldest first */
    uint64_t
        flushed; /* epoch of the last drop_all() or drop_code(): what was begun before is refused */
    uint32_t evict_every;  /* reservations; 0: never */
    uint32_t reservations; /* counted for it */
    uint32_t chance;       /* what it draws from */
    tc_watch *watch;       /* null: nobody looks (watch.h) */
    /* Statistics. */
    uint64_t insns, code_bytes, record_bytes; /* of published units */
    uint64_t sizes[TC_SIZES]; /* how many of them had up to TC_SMALLEST bytes, twice as many ... */
    uint64_t alive, published, refused, raced, dropped[TC_REASONS];
    uint64_t linked, unlinked, evictions, spared, laters;
    uint64_t looked; /* at units, for stores to code */
};

/* ---- places ---------------------------------------------------------------------------------------------- */

static inline uint32_t slab_bytes(const pb_tc *tc)
{
    return 1u << tc->slab_log2;
}

static inline uint32_t slab_units(const pb_tc *tc)
{
    return 1u << (tc->slab_log2 - UNIT_BYTES_LOG2);
}

static inline uint32_t slab_links(const pb_tc *tc)
{
    return 1u << (tc->slab_log2 - LINK_BYTES_LOG2);
}

/* First byte of a slab where it executes. */
static inline uint8_t *slab_code(const pb_tc *tc, uint32_t slab)
{
    return tc->rx + ((uint64_t)slab << tc->slab_log2);
}

static inline uint32_t slab_of_unit(const pb_tc *tc, uint32_t unit)
{
    return unit >> (tc->slab_log2 - UNIT_BYTES_LOG2);
}

static inline uint32_t slab_of_link(const pb_tc *tc, uint32_t link)
{
    return link >> (tc->slab_log2 - LINK_BYTES_LOG2);
}

static inline uint32_t first_unit(const pb_tc *tc, const tc_slab *slab)
{
    return slab->index << (tc->slab_log2 - UNIT_BYTES_LOG2);
}

static inline uint32_t first_link(const pb_tc *tc, const tc_slab *slab)
{
    return slab->index << (tc->slab_log2 - LINK_BYTES_LOG2);
}

static inline uint32_t number_of(const pb_tc *tc, const tc_unit *u)
{
    return (uint32_t)(u - tc->units);
}

/* Where to write what executes at rx. */
static inline uint8_t *rw_of(const pb_tc *tc, const uint8_t *rx)
{
    return tc->rw + (rx - tc->rx);
}

/* ---- buffer.c -------------------------------------------------------------------------------------------- */

/* The two mappings and the tables beside them. */
bool tc_map(pb_tc *tc, pb_error *error);
void tc_unmap(pb_tc *tc);
/* pb_tc_ops.fork */
bool tc_fork(pb_tc *tc, uint32_t phase, pb_error *error);

/* ---- units.c --------------------------------------------------------------------------------------------- */

pb_tc_unit *tc_lookup(pb_tc_user *user, const pb_tc_key *key);
pb_tc_unit *tc_publish(pb_tc_user *user, const pb_tc_key *key, const ir_unit *ir,
                       const pb_code_job *job, pb_tc_unit **other);
pb_tc_unit *tc_unit_at(pb_tc_user *user, const uint8_t *host);
void tc_each(pb_tc_user *user, void (*fn)(void *opaque, const pb_tc_unit *unit), void *opaque);
void tc_drop_locked(pb_tc *tc, tc_unit *u, tc_reason reason);
void tc_drop(pb_tc_user *user, pb_tc_unit *unit);
void tc_changed(pb_tc_user *user, const uint8_t *site);
void tc_drop_code(pb_tc *tc, uint64_t first, uint64_t last);
/* pb_code_stale_fn. */
void tc_stale(void *opaque, const uint32_t *generation, uint64_t lines);
tc_unit *tc_find(const pb_tc *tc, const uint8_t *host);

/* ---- links.c --------------------------------------------------------------------------------------------- */

bool tc_link_at(pb_tc_user *user, const uint8_t *site, pb_tc_unit **unit, pb_code_link *link);
void tc_make_link(pb_tc_user *user, const uint8_t *site, pb_tc_unit *target);
/* Undo the jumps that lead to a unit; of those in slab `except` none. */
void tc_unlink_incoming_locked(pb_tc *tc, tc_unit *u, uint32_t except);
void tc_unlink_outgoing_locked(pb_tc *tc, tc_unit *u);

/* ---- slabs.c --------------------------------------------------------------------------------------------- */

bool tc_enter(pb_tc_user *user);
void tc_leave(pb_tc_user *user);
bool tc_quiescent(pb_tc_user *user);
uint32_t tc_reserve(pb_tc_user *user, uint32_t bytes, pb_code_slice *slice);
void tc_drop_all(pb_tc *tc);
void tc_refuse_begun_locked(pb_tc *tc);

#endif
