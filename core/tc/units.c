/*
 * Units: found by name without a lock, found by address, entered, dropped with their page.
 */
#include <core/tc/watch.h>

/* ---- names ----------------------------------------------------------------------------------------------- */

/* The buckets of instructions near to one another lie in one line of the host's cache: who translates asks for one after the
 * other. */
enum { NEAR_LOG2 = 4 };

static uint32_t *bucket_of(const pb_tc *tc, const pb_tc_key *key)
{
    const uint64_t odd = 0x9e3779b97f4a7c15;
    uint64_t h = (key->pc >> (NEAR_LOG2 + 2)) * odd ^ (uintptr_t)key->page;
    uint32_t near = (uint32_t)(key->pc ^ key->pc >> 2) & ((1u << NEAR_LOG2) - 1);

    h = (h ^ h >> 29 ^ key->flags) * odd + key->key;
    h = (h ^ h >> 32) * odd;
    return &tc->buckets[h >> (64 - tc->bucket_bits + NEAR_LOG2) << NEAR_LOG2 | near];
}

static bool same_key(const pb_tc_key *a, const pb_tc_key *b)
{
    return a->pc == b->pc && a->page == b->page && a->key == b->key && a->flags == b->flags;
}

static tc_unit *find_by_key(const pb_tc *tc, const pb_tc_key *key)
{
    uint32_t i = __atomic_load_n(bucket_of(tc, key), __ATOMIC_ACQUIRE);

    while (i && !same_key(&tc->units[i].head.key, key))
        i = __atomic_load_n(&tc->units[i].chain, __ATOMIC_ACQUIRE);
    return i ? &tc->units[i] : NULL;
}

pb_tc_unit *tc_lookup(pb_tc_user *user, const pb_tc_key *key)
{
    const pb_tc *tc = user->tc;
    tc_unit *u = find_by_key(tc, key);
    uint8_t *touched;

    if (!u) {
        __atomic_store_n(&user->missed, user->missed + 1, __ATOMIC_RELAXED);
        return NULL;
    }
    touched = &tc->touched[slab_of_unit(tc, number_of(tc, u))];
    if (!__atomic_load_n(touched, __ATOMIC_RELAXED))
        __atomic_store_n(touched, 1, __ATOMIC_RELAXED);
    return &u->head;
}

static void chain_locked(pb_tc *tc, tc_unit *u)
{
    uint32_t *bucket = bucket_of(tc, &u->head.key);

    u->chain = *bucket;
    __atomic_store_n(bucket, number_of(tc, u), __ATOMIC_RELEASE);
}

/* The unit keeps its own link to the next: readers may stand on it. */
static void unchain_locked(pb_tc *tc, const tc_unit *u)
{
    uint32_t *at = bucket_of(tc, &u->head.key), number = number_of(tc, u);

    while (*at != number)
        at = &tc->units[*at].chain;
    __atomic_store_n(at, u->chain, __ATOMIC_RELEASE);
}

/* ---- addresses ------------------------------------------------------------------------------------------- */

tc_unit *tc_find(const pb_tc *tc, const uint8_t *host)
{
    uint64_t offset = (uint64_t)(host - tc->rx);
    uint32_t low = 0, high;
    tc_unit *units;

    if (offset >= tc->bytes)
        return NULL;
    units = &tc->units[first_unit(tc, &tc->slabs[offset >> tc->slab_log2])];
    high = __atomic_load_n(&tc->slabs[offset >> tc->slab_log2].n_units, __ATOMIC_ACQUIRE);
    while (low < high) { /* low: units that begin at or below host */
        uint32_t middle = low + (high - low) / 2;

        if (units[middle].head.code <= host)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    units += low - 1;
    if (__atomic_load_n(&units->state, __ATOMIC_RELAXED) == TC_UNIT_SECOND)
        units--;
    return host < units->head.code + units->head.bytes ? units : NULL;
}

pb_tc_unit *tc_unit_at(pb_tc_user *user, const uint8_t *host)
{
    tc_unit *u = tc_find(user->tc, host);

    return u ? &u->head : NULL;
}

void tc_each(pb_tc_user *user, void (*fn)(void *opaque, const pb_tc_unit *unit), void *opaque)
{
    pb_tc *tc = user->tc;

    pthread_mutex_lock(&tc->lock);
    for (GList *node = tc->full.head; node; node = node->next) {
        const tc_slab *slab = node->data;

        for (uint32_t i = 0; i < slab->n_units; i++) {
            const tc_unit *u = &tc->units[first_unit(tc, slab) + i];

            if (u->state == TC_UNIT_ALIVE)
                fn(opaque, &u->head);
        }
    }
    pthread_mutex_unlock(&tc->lock);
}

/* ---- pages ----------------------------------------------------------------------------------------------- */

static tc_page *page_of(const pb_tc *tc, const uint32_t *generation)
{
    return g_hash_table_lookup(tc->pages, generation);
}

static uint32_t group_of(const tc_unit *u)
{
    return (uint32_t)__builtin_ctzll(u->lines) / GROUP_LINES;
}

static void list_in_page_locked(pb_tc *tc, tc_unit *u, const uint32_t *generation)
{
    tc_page *page = page_of(tc, generation);
    uint32_t group = group_of(u);

    if (!page) {
        page = g_new0(tc_page, 1);
        g_hash_table_insert(tc->pages, (void *)(uintptr_t)generation, page);
    }
    u->page_prev = 0;
    u->page_next = page->first[group];
    if (u->page_next)
        tc->units[u->page_next].page_prev = number_of(tc, u);
    page->first[group] = number_of(tc, u);
    page->lines[group] |= u->lines;
    page->n_units++;
}

static void release_page_locked(pb_tc *tc, tc_page *page, const uint32_t *generation)
{
    if (--page->n_units == 0)
        g_hash_table_remove(tc->pages, generation);
}

static void unlist_from_page_locked(pb_tc *tc, tc_unit *u, const uint32_t *generation)
{
    tc_page *page = page_of(tc, generation);

    if (u->page_prev)
        tc->units[u->page_prev].page_next = u->page_next;
    else
        page->first[group_of(u)] = u->page_next;
    if (u->page_next)
        tc->units[u->page_next].page_prev = u->page_prev;
    release_page_locked(tc, page, generation);
}

/* Rule 10. */
static void request_locked(pb_tc *tc)
{
    for (uint32_t i = 0; i < tc->users->len; i++) {
        const pb_tc_user *user = tc->users->pdata[i];

        if (user->request)
            __atomic_fetch_or(user->request, user->request_bits, __ATOMIC_SEQ_CST);
    }
}

void tc_drop_locked(pb_tc *tc, tc_unit *u, tc_reason reason)
{
    pb_tc_unit *head = &u->head;

    unchain_locked(tc, u);
    unlist_from_page_locked(tc, u, head->key.page);
    if (head->next_page)
        unlist_from_page_locked(tc, u + 1, head->next_page);
    tc->codegen->retire(tc->codegen_self, rw_of(tc, head->entry), head->entry,
                        head->code + u->stale);
    tc_unlink_incoming_locked(tc, u, 0);
    tc_unlink_outgoing_locked(tc, u);
    __atomic_store_n(&u->state, TC_UNIT_DROPPED, __ATOMIC_RELAXED);
    tc->alive--;
    tc->dropped[reason]++;
    if (u->is_region)
        request_locked(tc);
}

void tc_drop(pb_tc_user *user, pb_tc_unit *unit)
{
    pb_tc *tc = user->tc;
    tc_unit *u = (tc_unit *)unit;

    pthread_mutex_lock(&tc->lock);
    if (u->state == TC_UNIT_ALIVE)
        tc_drop_locked(tc, u, TC_REPLACED);
    pthread_mutex_unlock(&tc->lock);
}

void tc_changed(pb_tc_user *user, const uint8_t *site)
{
    pb_tc *tc = user->tc;
    tc_unit *u = tc_find(tc, site);

    pthread_mutex_lock(&tc->lock);
    if (u && u->state == TC_UNIT_ALIVE)
        tc_drop_locked(tc, u, TC_CHANGED);
    pthread_mutex_unlock(&tc->lock);
}

/* Of a unit in two pages, the header that is in the other page's list. */
static tc_unit *partner_of(tc_unit *u)
{
    if (u->state == TC_UNIT_SECOND)
        return u - 1;
    return u->head.next_page ? u + 1 : NULL;
}

/* Drop the units of a group that have one of the lines, and find out which lines the others have. */
static void drop_lines_locked(pb_tc *tc, tc_page *page, uint32_t group, uint64_t lines)
{
    uint32_t next;

    page->lines[group] = 0;
    for (uint32_t i = page->first[group]; i; i = next) {
        tc_unit *u = &tc->units[i], *partner = partner_of(u);

        tc->looked++;
        next = u->page_next;
        if (!(u->lines & lines)) {
            page->lines[group] |= u->lines;
            continue;
        }
        if (next && partner == &tc->units[next])
            next =
                partner
                    ->page_next; /* both pages are the same one, and both headers leave the list */
        tc_drop_locked(tc, u->state == TC_UNIT_SECOND ? partner : u, TC_STALE);
    }
}

void tc_stale(void *opaque, const uint32_t *generation, uint64_t lines)
{
    pb_tc *tc = opaque;
    tc_page *page;

    pthread_mutex_lock(&tc->lock);
    page = page_of(tc, generation);
    if (page)
        page->n_units++; /* so that it stays until all groups were seen */
    for (uint32_t i = 0; page && i < PAGE_GROUPS; i++)
        if (page->lines[i] & lines)
            drop_lines_locked(tc, page, i, lines);
    if (page)
        release_page_locked(tc, page, generation);
    pthread_mutex_unlock(&tc->lock);
}

/* ---- entering -------------------------------------------------------------------------------------------- */

static bool is_current(const pb_tc_user *user, const ir_unit *ir)
{
    if (ir->n_pages == 0 || user->seen < user->tc->flushed)
        return false;
    for (uint32_t i = 0; i < ir->n_pages; i++)
        if (__atomic_load_n(ir->pages[i].generation, __ATOMIC_SEQ_CST) != ir->pages[i].stamp)
            return false;
    return true;
}

/* Bits of the lines of a page that its bytes from `first` to `last` lie in. */
static uint64_t lines_of(uint64_t first, uint64_t last)
{
    return (~UINT64_C(0) << (first / TC_LINE_BYTES)) &
           (~UINT64_C(0) >> (63 - last / TC_LINE_BYTES));
}

/* Units are named by virtual addresses, and are of one page of them but for a single instruction. */
void tc_drop_code(pb_tc *tc, uint64_t first, uint64_t last)
{
    uint64_t lines = lines_of(first & PB_PAGE_MASK, last & PB_PAGE_MASK);

    pthread_mutex_lock(&tc->lock);
    for (GList *node = tc->full.head; node; node = node->next) {
        const tc_slab *slab = node->data;

        for (uint32_t i = 0; i < slab->n_units; i++) {
            tc_unit *u = &tc->units[first_unit(tc, slab) + i];

            if (u->state == TC_UNIT_ALIVE &&
                u->head.key.pc / PB_PAGE_SIZE == first / PB_PAGE_SIZE && (u->lines & lines))
                tc_drop_locked(tc, u, TC_DEBUGGED);
        }
    }
    tc_refuse_begun_locked(tc);
    pthread_mutex_unlock(&tc->lock);
}

/* The mark behind those from `i` on that follow one another in memory, and where these end. */
static uint32_t end_of_run(const ir_unit *ir, uint32_t i, uint64_t *end)
{
    do
        *end = ir->marks[i].pc + MAX(ir->marks[i].length, 1);
    while (++i < ir->n_marks && ir->marks[i].pc == *end);
    return i;
}

/* From which lines of its two pages a unit was made; from all of them if it does not tell. */
static void find_lines(const ir_unit *ir, uint64_t lines[2])
{
    lines[0] = lines[1] = ir->marks ? 0 : ~UINT64_C(0);
    for (uint32_t i = 0; ir->marks && i < ir->n_marks;) {
        uint64_t start = ir->marks[i].pc, end, first = start & PB_PAGE_MASK, last;

        i = end_of_run(ir, i, &end);
        last = first + (end - start) - 1;
        lines[0] |= lines_of(first, MIN(last, PB_PAGE_MASK));
        if (last > PB_PAGE_MASK)
            lines[1] |= lines_of(0, last & PB_PAGE_MASK);
    }
    for (uint32_t i = 0; i < 2; i++)
        lines[i] = lines[i] ? lines[i] : ~UINT64_C(0);
}

static void enter_links(pb_tc *tc, tc_slab *slab, const pb_code_job *job, tc_unit *u)
{
    tc_link *l = &tc->links[first_link(tc, slab) + slab->n_links];

    u->first_link = (uint16_t)slab->n_links;
    u->n_links = job->n_links & 0x7f;
    for (uint32_t i = 0; i < job->n_links; i++) {
        const pb_code_link *from = &job->links[i];

        g_assert(from->site < job->bytes && from->stub < job->bytes);
        l[i] = (tc_link){ .pc = from->pc,
                          .site = slab->used + from->site,
                          .stub = slab->used + from->stub,
                          .flags = from->flags & 0xff };
    }
    slab->n_links += job->n_links;
}

/* By the bytes that it takes: up to 256, 512, 1024 ..., more. */
static uint32_t size_class(uint32_t bytes)
{
    uint32_t class = 0;

    while (class < TC_SIZES - 1 && bytes > (uint32_t)TC_SMALLEST << class)
        class ++;
    return class;
}

static tc_unit *enter_locked(pb_tc *tc, tc_slab *slab, const pb_tc_key *key, const ir_unit *ir,
                             const pb_code_job *job)
{
    tc_unit *u = &tc->units[first_unit(tc, slab) + slab->n_units];
    const uint8_t *code = job->slice.rx;
    uint32_t headers = ir->n_pages;
    uint64_t lines[2];

    find_lines(ir, lines);
    *u = (tc_unit){ .head = { .key = *key,
                              .next_page = headers > 1 ? ir->pages[1].generation : NULL,
                              .code = code,
                              .entry = code + job->entry,
                              .bytes = job->bytes,
                              .insns = ir->n_marks },
                    .lines = lines[0],
                    .direct = job->direct,
                    .stale = job->stale,
                    .is_region = (job->flags & PB_CODE_REGION) != 0,
                    .state = TC_UNIT_ALIVE };
    if (headers > 1) {
        u[1] = (tc_unit){ .head = { .code = code }, .lines = lines[1], .state = TC_UNIT_SECOND };
        list_in_page_locked(tc, u + 1, ir->pages[1].generation);
    }
    list_in_page_locked(tc, u, key->page);
    enter_links(tc, slab, job, u);
    slab->used = (slab->used + job->bytes + UNIT_ALIGN - 1) & ~(uint32_t)(UNIT_ALIGN - 1);
    __atomic_store_n(&slab->n_units, slab->n_units + headers, __ATOMIC_RELEASE);
    chain_locked(tc, u);
    tc->alive++;
    tc->published++;
    tc->insns += ir->n_marks;
    tc->code_bytes += job->bytes;
    tc->record_bytes += PB_HAS(job, records) ? job->records : 0;
    tc->sizes[size_class(job->bytes)]++;
    return u;
}

pb_tc_unit *tc_publish(pb_tc_user *user, const pb_tc_key *key, const ir_unit *ir,
                       const pb_code_job *job, pb_tc_unit **other)
{
    pb_tc *tc = user->tc;
    tc_unit *u = NULL, *found = NULL;

    g_assert(job->n_links <= PB_CODE_LINKS && job->bytes > 0 && job->entry < job->bytes &&
             job->direct < job->bytes && job->stale < job->bytes);
    g_assert(ir->n_pages == 0 || key->page == ir->pages[0].generation);
    pthread_mutex_lock(&tc->lock);
    g_assert(user->slab && user->writing &&
             job->slice.rx == slab_code(tc, user->slab->index) + user->slab->used &&
             job->bytes <= slab_bytes(tc) - user->slab->used);
    if (!is_current(user, ir)) {
        tc->refused++;
    } else if ((found = find_by_key(tc, key)) != NULL) {
        tc->raced++;
    } else {
        u = enter_locked(tc, user->slab, key, ir, job);
        if (tc->watch)
            tc_watch_published_locked(tc, u, ir, job);
        __atomic_store_n(&user->writing, 0, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&tc->lock);
    *other = found ? &found->head : NULL;
    return u ? &u->head : NULL;
}
