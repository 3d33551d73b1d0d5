/*
 * Memory for one emission, kept for the next one: a unit has a dozen guest instructions, so what is allocated or
 * cleared for each counts. Tables by slot come back as they were given: who uses them undoes what it did, or
 * numbers its entries so that older ones mean nothing.
 */
#include "emit.h"

#include <stdlib.h>

void cg_free_room(cg_room *room)
{
    if (!room)
        return;
    free(room->values);
    free(room->first_of);
    free(room->events);
    free(room->patterns);
    free(room->blocks);
    free(room->order);
    free(room->stack);
    free(room->visited);
    free(room->slots);
    free(room->named);
    free(room->dirty_set);
    free(room->noted);
    free(room->cold);
    free(room->cold_data);
    free(room->pool);
    free(room->faults);
    free(room);
}

static bool make_slots(cg_room *room, uint32_t n)
{
    room->slots = malloc((n + 1) * sizeof(*room->slots));
    room->named = malloc((n + 1) * sizeof(*room->named));
    room->dirty_set = calloc(n / 64 + 1, sizeof(*room->dirty_set));
    room->noted = calloc(n + 1, sizeof(*room->noted));
    if (!room->slots || !room->named || !room->dirty_set || !room->noted)
        return false;
    for (uint32_t i = 0; i < n; i++)
        room->slots[i] = (cg_slot){ .value = CG_NONE };
    return true;
}

static bool make_records(cg_room *room, uint32_t n_values, uint32_t n_records)
{
    if (n_values > room->cap_values) {
        room->cap_values = 2 * n_values;
        free(room->values);
        room->values =
            aligned_alloc(64, (room->cap_values * sizeof(*room->values) + 63) & ~(size_t)63);
    }
    if (n_records > room->cap_records) {
        room->cap_records = 2 * n_records;
        free(room->first_of);
        free(room->events);
        free(room->patterns);
        room->first_of = malloc(room->cap_records * sizeof(*room->first_of));
        room->events = malloc(room->cap_records * sizeof(*room->events));
        room->patterns = malloc(room->cap_records * sizeof(*room->patterns));
    }
    return room->values && room->first_of && room->events && room->patterns;
}

static bool make_blocks(cg_room *room, uint32_t n)
{
    if (n <= room->cap_blocks)
        return true;
    room->cap_blocks = 2 * n;
    free(room->blocks);
    free(room->order);
    free(room->stack);
    free(room->visited);
    room->blocks = malloc(room->cap_blocks * sizeof(*room->blocks));
    room->order = malloc(room->cap_blocks * sizeof(*room->order));
    room->stack = malloc(room->cap_blocks * sizeof(*room->stack));
    room->visited = malloc(room->cap_blocks);
    return room->blocks && room->order && room->stack && room->visited;
}

bool cg_take_room(cg *c)
{
    x86_codegen *self = (x86_codegen *)(uintptr_t)c->self;
    cg_room *room = __atomic_exchange_n(&self->room, NULL, __ATOMIC_ACQUIRE);

    if (!room) {
        room = calloc(1, sizeof(*room));
        if (room && !make_slots(room, self->n_slots)) {
            cg_free_room(room);
            room = NULL;
        }
    }
    c->room = room;
    if (!room || !make_records(room, c->n_values, c->u->n_ops) ||
        !make_blocks(room, c->u->n_blocks))
        return false;
    c->values = room->values;
    c->first_of = room->first_of;
    c->blocks = room->blocks;
    c->order = room->order;
    c->slots = room->slots;
    c->named = room->named;
    c->dirty_set = room->dirty_set;
    c->cold = room->cold;
    c->cap_cold = room->cap_cold;
    c->cold_data = room->cold_data;
    c->cap_cold_data = room->cap_cold_data;
    c->pool = room->pool;
    c->cap_pool = room->cap_pool;
    c->faults = room->faults;
    c->cap_faults = room->cap_faults;
    return true;
}

void cg_give_room(cg *c)
{
    x86_codegen *self = (x86_codegen *)(uintptr_t)c->self;
    cg_room *room = c->room;

    if (!room)
        return;
    if (!c->named) { /* there was no memory for the rest */
        cg_free_room(room);
        return;
    }
    for (uint32_t i = 0; i < c->n_named; i++)
        c->slots[c->named[i]] = (cg_slot){ .value = CG_NONE };
    memset(c->dirty_set, 0, (c->n_named / 64 + 1) * sizeof(*c->dirty_set));
    room->cold = c->cold;
    room->cap_cold = c->cap_cold;
    room->cold_data = c->cold_data;
    room->cap_cold_data = c->cap_cold_data;
    room->pool = c->pool;
    room->cap_pool = c->cap_pool;
    room->faults = c->faults;
    room->cap_faults = c->cap_faults;
    cg_free_room(__atomic_exchange_n(&self->room, room, __ATOMIC_ACQ_REL));
}

uint32_t cg_number_notes(cg *c, uint32_t n)
{
    cg_room *room = c->room;

    if (room->n_notes > UINT32_MAX - n) {
        memset(room->noted, 0, c->self->n_slots * sizeof(*room->noted));
        room->n_notes = 0;
    }
    room->n_notes += n;
    return room->n_notes - n;
}
