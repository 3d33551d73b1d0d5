/*
 * Direct jumps between units: recorded at both ends.
 */
#include <core/tc/internal.h>

static tc_link *links_of(const pb_tc *tc, const tc_unit *u)
{
    return &tc->links[first_link(tc, &tc->slabs[slab_of_unit(tc, number_of(tc, u))]) +
                      u->first_link];
}

/* Make the jump lead to an address. */
static void patch(pb_tc *tc, const tc_link *l, const uint8_t *to)
{
    const uint8_t *site = slab_code(tc, slab_of_link(tc, (uint32_t)(l - tc->links))) + l->site;

    tc->codegen->link(tc->codegen_self, rw_of(tc, site), site, to);
}

static void unlink_locked(pb_tc *tc, tc_link *l)
{
    patch(tc, l, slab_code(tc, slab_of_link(tc, (uint32_t)(l - tc->links))) + l->stub);
    if (l->prev)
        tc->links[l->prev].next = l->next;
    else
        tc->units[l->target].first_in = l->next;
    if (l->next)
        tc->links[l->next].prev = l->prev;
    l->target = l->next = l->prev = 0;
    tc->unlinked++;
}

static void link_locked(pb_tc *tc, tc_link *l, tc_unit *target)
{
    uint32_t number = (uint32_t)(l - tc->links);

    l->target = number_of(tc, target);
    l->prev = 0;
    l->next = target->first_in;
    if (l->next)
        tc->links[l->next].prev = number;
    target->first_in = number;
    patch(tc, l,
          l->flags & PB_LINK_CHECKED ? target->head.entry : target->head.code + target->direct);
    tc->linked++;
}

void tc_unlink_incoming_locked(pb_tc *tc, tc_unit *u, uint32_t except)
{
    uint32_t next;

    for (uint32_t i = u->first_in; i; i = next) {
        next = tc->links[i].next;
        if (slab_of_link(tc, i) != except)
            unlink_locked(tc, &tc->links[i]);
    }
}

void tc_unlink_outgoing_locked(pb_tc *tc, tc_unit *u)
{
    tc_link *l = links_of(tc, u);

    for (uint32_t i = 0; i < u->n_links; i++)
        if (l[i].target)
            unlink_locked(tc, &l[i]);
}

/* The record of the jump with that site, and its unit. */
static tc_link *find(const pb_tc *tc, const uint8_t *site, tc_unit **unit)
{
    tc_unit *u = tc_find(tc, site);
    tc_link *l;
    uint32_t offset;

    if (!u)
        return NULL;
    *unit = u;
    l = links_of(tc, u);
    offset = (uint32_t)(site - tc->rx) & (slab_bytes(tc) - 1);
    for (uint32_t i = 0; i < u->n_links; i++)
        if (l[i].site == offset)
            return &l[i];
    return NULL;
}

bool tc_link_at(pb_tc_user *user, const uint8_t *site, pb_tc_unit **unit, pb_code_link *link)
{
    const pb_tc *tc = user->tc;
    tc_unit *u;
    const tc_link *l = find(tc, site, &u);
    uint32_t unit_offset;

    if (!l)
        return false;
    unit_offset = (uint32_t)(u->head.code - tc->rx) & (slab_bytes(tc) - 1);
    *unit = &u->head;
    *link = (pb_code_link){
        .pc = l->pc, .site = l->site - unit_offset, .stub = l->stub - unit_offset, .flags = l->flags
    };
    return true;
}

void tc_make_link(pb_tc_user *user, const uint8_t *site, pb_tc_unit *target)
{
    pb_tc *tc = user->tc;
    tc_unit *to = (tc_unit *)target, *from;
    tc_link *l = find(tc, site, &from);

    if (!l)
        return;
    pthread_mutex_lock(&tc->lock);
    if (from->state == TC_UNIT_ALIVE && to->state == TC_UNIT_ALIVE &&
        l->target != number_of(tc, to)) {
        if (l->target)
            unlink_locked(tc, l); /* what the last one says is newer */
        link_locked(tc, l, to);
    }
    pthread_mutex_unlock(&tc->lock);
}
