/*
 * Slabs: given to users, evicted, and reused when nobody can execute them any more. Rules 4 to 9 of internal.h.
 */
#include <core/tc/watch.h>

#include <sys/mman.h>

/* ---- quiescence ------------------------------------------------------------------------------------------ */

static void end_reservation(pb_tc_user *user)
{
    if (user->writing)
        __atomic_store_n(&user->writing, 0, __ATOMIC_RELEASE);
}

static bool take_on(pb_tc_user *user, uint64_t epoch)
{
    bool another = epoch != user->seen;

    user->seen = epoch;
    return another;
}

bool tc_enter(pb_tc_user *user)
{
    const pb_tc *tc = user->tc;
    uint64_t epoch, again = __atomic_load_n(&tc->epoch, __ATOMIC_SEQ_CST);

    do {
        epoch = again;
        __atomic_store_n(&user->active, epoch, __ATOMIC_SEQ_CST);
        again = __atomic_load_n(&tc->epoch, __ATOMIC_SEQ_CST);
    } while (again != epoch);
    if (tc->watch)
        tc_watch_enter(user->tc);
    return take_on(user, epoch);
}

void tc_leave(pb_tc_user *user)
{
    end_reservation(user);
    if (user->tc->watch)
        tc_watch_leave(user->tc);
    __atomic_store_n(&user->active, 0, __ATOMIC_SEQ_CST);
}

bool tc_quiescent(pb_tc_user *user)
{
    uint64_t epoch = __atomic_load_n(&user->tc->epoch, __ATOMIC_ACQUIRE);

    end_reservation(user);
    if (!take_on(user, epoch))
        return false;
    /* Until it is stored the user counts as one that has not passed. */
    __atomic_store_n(&user->active, epoch, __ATOMIC_SEQ_CST);
    return true;
}

/* Whether a user may still execute what was evicted at that epoch. */
static bool holds(const pb_tc_user *user, uint64_t epoch)
{
    uint64_t active = __atomic_load_n(&user->active, __ATOMIC_SEQ_CST);

    return active != 0 && active < epoch;
}

static bool anybody_holds(const pb_tc *tc, uint64_t epoch)
{
    for (uint32_t i = 0; i < tc->users->len; i++)
        if (holds(tc->users->pdata[i], epoch))
            return true;
    return false;
}

/* ---- eviction -------------------------------------------------------------------------------------------- */

static bool is_written(const tc_slab *slab)
{
    return slab->writer && __atomic_load_n(&slab->writer->writing, __ATOMIC_ACQUIRE);
}

/* Its user takes another one for its next unit. */
static void take_from_writer(tc_slab *slab)
{
    if (slab->writer)
        slab->writer->slab = NULL;
    slab->writer = NULL;
}

static void drop_units_locked(pb_tc *tc, const tc_slab *slab, tc_reason reason)
{
    for (uint32_t i = 0; i < slab->n_units; i++) {
        tc_unit *u = &tc->units[first_unit(tc, slab) + i];

        if (u->state == TC_UNIT_ALIVE)
            tc_drop_locked(tc, u, reason);
    }
}

/* The caller counts the epoch up afterwards. */
static void evict_locked(pb_tc *tc, tc_slab *slab, tc_reason reason)
{
    drop_units_locked(tc, slab, reason);
    take_from_writer(slab);
    slab->epoch = tc->epoch + 1;
    g_queue_unlink(&tc->full, &slab->node);
    g_queue_push_tail_link(&tc->limbo, &slab->node);
    tc->evictions++;
}

static void next_epoch_locked(pb_tc *tc)
{
    __atomic_store_n(&tc->epoch, tc->epoch + 1, __ATOMIC_SEQ_CST);
}

/* What of it is still wanted will be looked up. */
static void cool_locked(pb_tc *tc, tc_slab *slab)
{
    for (uint32_t i = 0; i < slab->n_units; i++) {
        tc_unit *u = &tc->units[first_unit(tc, slab) + i];

        if (u->state == TC_UNIT_ALIVE)
            tc_unlink_incoming_locked(tc, u, slab->index);
    }
    __atomic_store_n(&tc->touched[slab->index], 0, __ATOMIC_RELAXED);
    slab->cooled = true;
}

/* True: something was cooled. */
static bool cool_oldest_locked(pb_tc *tc)
{
    uint32_t count = tc->n_slabs / 8;
    bool any = false;

    for (GList *node = tc->full.head; node && count > 0; node = node->next, count--) {
        tc_slab *slab = node->data;

        if (!slab->cooled && !slab->writer) {
            cool_locked(tc, slab);
            any = true;
        }
    }
    return any;
}

/* The slab to evict; null: all are written in. */
static tc_slab *choose_victim_locked(pb_tc *tc)
{
    uint32_t chances = tc->full.length;
    GList *node, *next;

    for (node = tc->full.head; node && chances > 0; node = next, chances--) {
        tc_slab *slab = node->data;

        next = node->next;
        if (is_written(slab))
            continue;
        if (!slab->cooled || !__atomic_load_n(&tc->touched[slab->index], __ATOMIC_RELAXED))
            return slab;
        slab->cooled = false;
        g_queue_unlink(&tc->full, node);
        g_queue_push_tail_link(&tc->full, node);
        tc->spared++;
    }
    for (node = tc->full.head; node; node = node->next)
        if (!is_written(node->data))
            return node->data;
    return NULL;
}

static void evict_ahead_locked(pb_tc *tc)
{
    uint32_t spares = 2 + MIN(tc->users->len, tc->n_slabs / 4);
    bool changed = false;

    while (tc->empty.length + tc->limbo.length < spares) {
        tc_slab *slab = choose_victim_locked(tc);

        if (!slab)
            break;
        evict_locked(tc, slab, TC_EVICTED);
        changed = true;
    }
    if (tc->empty.length + tc->limbo.length <= spares)
        changed |= cool_oldest_locked(tc);
    if (changed)
        next_epoch_locked(tc);
}

static void reclaim_locked(pb_tc *tc)
{
    GList *node;

    while ((node = tc->limbo.head) != NULL) {
        tc_slab *slab = node->data;

        if (anybody_holds(tc, slab->epoch))
            break; /* later ones are of later epochs */
        g_queue_unlink(&tc->limbo, node);
        if (tc->watch)
            tc_watch_reclaimed_locked(tc, slab);
        __atomic_store_n(&slab->n_units, 0, __ATOMIC_RELAXED);
        slab->n_links = slab->used = slab->present = 0;
        slab->cooled = false;
        g_queue_push_head_link(&tc->empty, node); /* its memory is there already */
    }
}

/* What users have begun before they see the new epoch. */
void tc_refuse_begun_locked(pb_tc *tc)
{
    next_epoch_locked(tc);
    tc->flushed = tc->epoch;
}

void tc_drop_all(pb_tc *tc)
{
    GList *node, *next;

    pthread_mutex_lock(&tc->lock);
    for (node = tc->full.head; node; node = next) {
        next = node->next;
        if (is_written(node->data))
            drop_units_locked(tc, node->data, TC_FLUSHED);
        else
            evict_locked(tc, node->data, TC_FLUSHED);
    }
    tc_refuse_begun_locked(tc);
    pthread_mutex_unlock(&tc->lock);
}

/* ---- reserving ------------------------------------------------------------------------------------------- */

static bool has_room(const pb_tc *tc, const tc_slab *slab, uint32_t bytes)
{
    return slab && bytes <= slab_bytes(tc) - slab->used && slab->n_units + 2 <= slab_units(tc) &&
           slab->n_links + PB_CODE_LINKS <= slab_links(tc);
}

/* With many users, a thousand threads of a program, there is not a slab for each: one that another has begun, and does not write
 * in now. Null: there is none. */
static tc_slab *borrow_locked(pb_tc *tc, uint32_t bytes)
{
    if (tc->users->len <= tc->n_slabs / 8)
        return NULL;
    for (GList *node = tc->full.tail; node; node = node->prev) {
        tc_slab *slab = node->data;

        if (slab->writer && !is_written(slab) && has_room(tc, slab, bytes))
            return slab;
    }
    return NULL;
}

static bool take_slab_locked(pb_tc_user *user, uint32_t bytes)
{
    pb_tc *tc = user->tc;
    tc_slab *begun = borrow_locked(tc, bytes);
    GList *node;

    if (begun) {
        take_from_writer(begun);
        user->slab = begun;
        begun->writer = user;
        return true;
    }
    reclaim_locked(tc);
    node = g_queue_pop_head_link(&tc->empty);
    if (!node) {
        tc->laters++;
        return false;
    }
    user->slab = node->data;
    user->slab->writer = user;
    g_queue_push_tail_link(&tc->full, node);
    return true;
}

/* Memory that is short is held back by users that have not passed the oldest eviction: once for each eviction. */
static GPtrArray *holders_locked(pb_tc *tc, const pb_tc_user *me)
{
    const tc_slab *oldest = tc->limbo.head ? tc->limbo.head->data : NULL;
    GPtrArray *holders = NULL;

    if (!oldest || tc->empty.length > 1)
        return NULL;
    for (uint32_t i = 0; i < tc->users->len; i++) {
        pb_tc_user *user = tc->users->pdata[i];

        if (user == me || !user->nudge || user->nudged >= oldest->epoch ||
            !holds(user, oldest->epoch))
            continue;
        user->nudged = oldest->epoch;
        if (!holders)
            holders = g_ptr_array_new();
        g_ptr_array_add(holders, user);
    }
    return holders;
}

static void nudge(GPtrArray *holders)
{
    for (uint32_t i = 0; holders && i < holders->len; i++) {
        const pb_tc_user *user = holders->pdata[i];

        user->nudge(user->opaque);
    }
    if (holders)
        g_ptr_array_unref(holders);
}

enum { MOST_UNMAPPED = 16 };

/* A slab that is not written in any more needs its writable mapping only for patches. Both mappings count as
 * resident memory; the bytes stay. Most patches come soon, when units around are linked: so it is done again when twice
 * as many slabs were taken since, and so on. */
static void unmap_writable(const pb_tc *tc, const uint32_t *slabs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        madvise(rw_of(tc, slab_code(tc, slabs[i])), slab_bytes(tc), MADV_DONTNEED);
}

/* Those of which it is time, when one was taken. */
static uint32_t choose_unmapped_locked(const pb_tc *tc, uint32_t slabs[MOST_UNMAPPED])
{
    uint32_t age = 0, n = 0;

    for (const GList *node = tc->full.tail; node && n < MOST_UNMAPPED; node = node->prev, age++)
        if (age > 0 && (age & (age - 1)) == 0)
            slabs[n++] = ((const tc_slab *)node->data)->index;
    return n;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; who does not know it takes a fault for each page */
#endif

enum { POPULATE_BYTES = 1 << 16 };

/* Have memory in the slab for what will be written, some steps of it at a time: then the kernel maps it sixteen pages at once
 * for who executes it, and not each page when it is first met. */
static void populate(const pb_tc *tc, tc_slab *slab, uint32_t bytes)
{
    uint32_t size = slab_bytes(tc), end = MIN(slab->used + bytes, size);
    uint8_t *rw = rw_of(tc, slab_code(tc, slab->index));

    slab->present = MAX(slab->present, slab->used & ~(uint32_t)(POPULATE_BYTES - 1));
    for (; slab->present < end; slab->present += POPULATE_BYTES)
        madvise(rw + slab->present, MIN(POPULATE_BYTES, size - slab->present), MADV_POPULATE_WRITE);
}

/* Another slab for the user; false: none is free. */
static bool change_slab_locked(pb_tc_user *user, uint32_t bytes)
{
    bool taken;

    if (user->slab)
        take_from_writer(user->slab);
    taken = take_slab_locked(user, bytes);
    __atomic_store_n(&user->writing, taken, __ATOMIC_RELEASE);
    evict_ahead_locked(user->tc);
    return taken;
}

static pb_code_slice rest_of_slab(const pb_tc *tc, const tc_slab *slab)
{
    uint8_t *rx = slab_code(tc, slab->index) + slab->used;

    return (pb_code_slice){ .rw = rw_of(tc, rx), .rx = rx, .bytes = slab_bytes(tc) - slab->used };
}

/* For tests: one that nobody writes in, if enough are left. */
static void evict_one_by_chance_locked(pb_tc *tc)
{
    tc_slab *slab;

    if (tc->full.length == 0 || tc->empty.length < 4)
        return;
    tc->chance = tc->chance * 1103515245 + 12345;
    slab = g_queue_peek_nth(&tc->full, (tc->chance >> 16) % tc->full.length);
    if (is_written(slab))
        return;
    evict_locked(tc, slab, TC_EVICTED);
    next_epoch_locked(tc);
}

uint32_t tc_reserve(pb_tc_user *user, uint32_t bytes, pb_code_slice *slice)
{
    pb_tc *tc = user->tc;
    uint32_t unmapped[MOST_UNMAPPED], n_unmapped = 0;
    GPtrArray *holders = NULL;
    bool room = true;

    *slice = (pb_code_slice){ 0 };
    if (bytes > slab_bytes(tc))
        return PB_TC_TOO_LARGE;
    pthread_mutex_lock(&tc->lock);
    if (tc->evict_every && ++tc->reservations % tc->evict_every == 0)
        evict_one_by_chance_locked(tc);
    if (!has_room(tc, user->slab, bytes)) {
        room = change_slab_locked(user, bytes);
        n_unmapped = choose_unmapped_locked(tc, unmapped);
        holders = holders_locked(tc, user);
    }
    if (room) {
        *slice = rest_of_slab(tc, user->slab);
        __atomic_store_n(&user->writing, 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&tc->lock);
    nudge(holders);
    unmap_writable(tc, unmapped, n_unmapped);
    if (room)
        populate(tc, user->slab, bytes); /* which is the user's until the reservation ends */
    return room ? PB_TC_ROOM : PB_TC_LATER;
}
