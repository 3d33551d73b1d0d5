/*
 * The translation cache: memory for emitted code, the units in it, how they are found, linked to each other,
 * and dropped when what they were made from changes. In the core; accelerators reach it as "pb.tc/1".
 *
 * Threads: a *user* is a thread that executes or emits code, one a vCPU (and one a background compiler). Between
 * enter() and leave() what a user found stays executable: a unit that was dropped meanwhile is
 * unlinked and its entry leads to its stale stub, but its memory is used again only when every user was outside
 * (or passed quiescent()) since.
 */
#ifndef PATCHBAY_TC_H
#define PATCHBAY_TC_H

#include <patchbay/codegen.h>

#define PB_EXTENSION_TC "pb.tc/1"

typedef struct pb_tc pb_tc;
typedef struct pb_tc_user pb_tc_user;

typedef enum pb_tc_unit_flags {
    PB_TC_ALONE =
        1, /* of one instruction, made with PB_CODE_ALONE: another unit than the ordinary one */
} pb_tc_unit_flags;

/* Names a unit: the page of its first byte, virtual pc, unit key, pb_tc_unit_flags. The page is named by its
 * pb_code_page.generation: it is one page of one memory, whatever is mapped at an address now. */
typedef struct pb_tc_key {
    const uint32_t *page;
    uint64_t pc, key;
    uint32_t flags;
    uint32_t reserved;
} pb_tc_key;

/* A published unit. Belongs to the cache; others read it, between enter() and leave(). */
typedef struct pb_tc_unit {
    pb_tc_key key;
    const uint32_t *next_page; /* a second page's generation; null: it lies in one page */
    const uint8_t *code;       /* where it executes */
    const uint8_t *entry;      /* the checked one */
    uint32_t bytes;
    uint32_t insns;
} pb_tc_unit;

/* What reserve() says. */
typedef enum pb_tc_room {
    PB_TC_TOO_LARGE = 0, /* that is more than a slab holds: make a shorter unit */
    PB_TC_ROOM,
    /* All memory is waiting for users that do not get to a quiescent point: they were nudged. Leave, let others
     * do what they wait for (return to the run loop), and try again. */
    PB_TC_LATER,
} pb_tc_room;

typedef struct pb_tc_ops {
    uint32_t size;

    /* A cache of `bytes` for code, at least 1 MiB and less than 2 GiB, with memory for thunks at *thunks. The object
     * is the accelerator's, codegen's link() and retire() are used for patching. [setup] */
    pb_tc *(*open)(pb_object *object, uint64_t bytes, const pb_codegen_type *codegen,
                   void *codegen_self, pb_code_slice *thunks, pb_error *error);
    void (*close)(pb_tc *tc); /* null is fine; no user is left. [setup] */

    /* A user, outside. nudge(opaque) is called from any thread when memory waits for this user alone: it shall
     * soon pass quiescent() or leave (kick its vCPU). May be null for who never stays long. [setup] */
    pb_tc_user *(*user_new)(pb_tc *tc, void (*nudge)(void *opaque), void *opaque);
    void (*user_free)(pb_tc_user *user);
    /* Enter before looking up, emitting or running; leave before sleeping. True: entries that the user remembers
     * (jump caches) may have died since: drop them all before the next use. The user's thread. */
    bool (*enter)(pb_tc_user *user);
    void (*leave)(pb_tc_user *user);
    /* The same as leave() and enter(), cheap: for every pass of a dispatcher. */
    bool (*quiescent)(pb_tc_user *user);

    /* The unit of that name, or null. No lock is taken. Inside. */
    pb_tc_unit *(*lookup)(pb_tc_user *user, const pb_tc_key *key);
    /* Room for at least `bytes` of code at the end of the user's slab, aligned to 32; valid until the next reserve(),
     * quiescent() or leave(), or until publish() entered it. May drop the oldest units, others' too; what dies is
     * executable until the user is quiescent. A pb_tc_room; without room the slice is empty. Never waits. Inside. */
    uint32_t (*reserve)(pb_tc_user *user, uint32_t bytes, pb_code_slice *slice);
    /* Enter the emitted unit. `ir` says from which pages it was made under which stamps; null if one of them
     * was written to since, or there is none, or all units were dropped since the user was last quiescent, or
     * another user was faster and its unit is *other (else *other is null). Nothing is entered then, and the slice
     * stays valid: the code may be executed from there, once. Inside. */
    pb_tc_unit *(*publish)(pb_tc_user *user, const pb_tc_key *key, const ir_unit *ir,
                           const pb_code_job *job, pb_tc_unit **other);
    /* Which unit, and which of its direct jumps, an exit's site belongs to, also if the unit was dropped while it
     * executed. False: there is none. Inside. */
    bool (*link_at)(pb_tc_user *user, const uint8_t *site, pb_tc_unit **unit, pb_code_link *link);
    /* Link the jump at the site to the target. Nothing is done if one of both was dropped. Inside: the site was
     * left to, and the target found, since the user was last quiescent, or quiescent() said false. */
    void (*link)(pb_tc_user *user, const uint8_t *site, pb_tc_unit *target);
    /* Drop all units. [any] */
    void (*drop_all)(pb_tc *tc);
    /* The unit whose code holds a host address, also if it was dropped but is still executable; or null. Inside. */
    pb_tc_unit *(*unit_at)(pb_tc_user *user, const uint8_t *host);
    /* Call for every unit that is alive; fn calls nothing of the cache. Inside. */
    void (*each)(pb_tc_user *user, void (*fn)(void *opaque, const pb_tc_unit *unit), void *opaque);
    void (*statistics)(pb_tc *tc, void (*line)(void *opaque, const char *name, uint64_t value),
                       void *opaque);
    /* Drop one unit, so that another one can have its name. Nothing is done if it was dropped. Inside. */
    void (*drop)(pb_tc_user *user, pb_tc_unit *unit);
    /* A word into which `bits` are or'd atomically when a region (PB_CODE_REGION) was dropped for any reason: whoever is in
     * its loops looks at that word alone, neither at its entry nor at its links. Done last, and whether the user is
     * inside or not. [setup] */
    void (*request_word)(pb_tc_user *user, uint32_t *word, uint32_t bits);
    /* A unit that compares found other bytes (PB_CODE_EXIT_CHANGED): drop it. Inside. */
    void (*changed)(pb_tc_user *user, const uint8_t *site);
    /* Pages with code become mixed after so many stores to them that touched no code: stores are not noticed any more, and
     * units compare. 0: never, as at first. `always`: all units compare, for tests. Only for who handles
     * PB_CODE_EXIT_CHANGED, and does not care at which instruction a store to the unit that executes is seen. [setup] */
    void (*mix_pages)(pb_tc *tc, uint32_t stores, bool always);
    /* For tests: every so many reservations evict a slab that chance chooses, always the same in the same order; 0: none,
     * as at first. [setup] */
    void (*evict_every)(pb_tc *tc, uint32_t reservations);
    /* Around fork(), with the phases of pb_accel_type.fork, while all users are outside: the child gets memory for code of its own at
     * the same addresses, with all units, as they were before. False with the error filled: as there. */
    bool (*fork)(pb_tc *tc, uint32_t phase, pb_error *error);
    /* Drop the units that were made from code near virtual addresses from first to last, which are of one page, whatever page of
     * memory is mapped there. What users have begun to make, of any code, publish() will not enter. [any] */
    void (*drop_code)(pb_tc *tc, uint64_t first, uint64_t last);
} pb_tc_ops;

#endif
