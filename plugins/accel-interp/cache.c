/*
 * Finding units: by virtual address where the vCPU was lately, else by the page of memory that they lie in, else they
 * are translated. A page is named by its generation: what is mapped at a physical address may be another page tomorrow.
 *
 * A unit in the cache is good as long as the generations of its pages are those that it was made under. It is
 * found by virtual address as long as the vCPU's translations have not changed (tlb_epoch). When the cache is
 * full all of it is dropped; it is refilled within milliseconds.
 */
#include "interp.h"

#include <stdlib.h>

static uint32_t bucket_of(const uint32_t *page, uint64_t pc, uint64_t key)
{
    uint64_t h = ((uintptr_t)page ^ pc << 20 ^ key * 0x9e3779b97f4a7c15) * 0x9e3779b97f4a7c15;

    return (uint32_t)(h >> (64 - BUCKET_BITS));
}

/* Take a unit out of the bucket and free it. */
static void drop(interp_vcpu *x, iunit **link)
{
    iunit *u = *link;
    recent *r = recent_of(x, u->pc);

    *link = u->next;
    if (r->unit == u)
        r->unit = NULL;
    x->cached_bytes -= u->bytes;
    free(u);
}

void flush_units(interp_vcpu *x)
{
    memset(x->recent, 0, sizeof(x->recent));
    for (uint32_t i = 0; i < 1 << BUCKET_BITS; i++)
        while (x->buckets[i])
            drop(x, &x->buckets[i]);
    free(x->transient);
    x->transient = NULL;
    x->attention &= ~(uint32_t)ATTENTION_FLUSH;
    __atomic_add_fetch(&x->interp->flushed, 1, __ATOMIC_RELAXED);
}

void drop_page(interp_vcpu *x, uint64_t gva)
{
    for (uint32_t i = 0; i < 1 << BUCKET_BITS; i++) {
        iunit **link = &x->buckets[i];

        while (*link)
            if (((*link)->pc ^ gva) < PB_PAGE_SIZE)
                drop(x, link);
            else
                link = &(*link)->next;
    }
}

/* Whether a unit of two pages has its second one where it was. */
static bool second_page_fits(interp_vcpu *x, const iunit *u, uint32_t mmu)
{
    uint64_t next = (u->pc | PB_PAGE_MASK) + 1;
    pb_guest_fault fault;
    pb_code_page page;

    if (u->n_pages < 2)
        return true;
    return x->vcpu->ops->code(x->vcpu, next, mmu, &page, &fault) == PB_MEM_OK && page.host &&
           page.generation == u->generation[1];
}

/* Stale units that are met are dropped. */
static iunit *look_up(interp_vcpu *x, const uint32_t *page, uint64_t pc, uint64_t key, uint32_t mmu)
{
    iunit **link = &x->buckets[bucket_of(page, pc, key)];

    while (*link) {
        iunit *u = *link;

        if (!is_current(u))
            drop(x, link);
        else if (u->generation[0] == page && u->pc == pc && u->key == key &&
                 second_page_fits(x, u, mmu))
            return u;
        else
            link = &u->next;
    }
    return NULL;
}

static iunit *make_unit(interp_vcpu *x, uint64_t pc, uint64_t key, pb_guest_fault *fault)
{
    pb_translate_limits limits = { .max_insns = x->logging ? 1 : x->interp->unit_insns,
                                   .follow = !x->logging };
    ir_unit *ir = x->interp->translate->translate(x->vcpu, pc, key, &limits, x->ir, fault);
    iunit *u;

    if (!ir)
        return NULL;
    x->ir = ir;
    __atomic_add_fetch(&x->interp->translated, 1, __ATOMIC_RELAXED);
    if (x->logging)
        x->interp->translate->log_exec(x->vcpu, ir);
    u = compile(x, ir);
    if (!u)
        fault->kind = 0;
    return u;
}

static void insert(interp_vcpu *x, iunit *u)
{
    uint32_t bucket = bucket_of(u->generation[0], u->pc, u->key);

    u->next = x->buckets[bucket];
    x->buckets[bucket] = u;
    x->cached_bytes += u->bytes;
}

iunit *find_unit(interp_vcpu *x, uint64_t pc, uint64_t key, pb_guest_fault *fault)
{
    uint32_t mmu = x->vcpu->type->translator->fetch_mmu(key);
    uint32_t epoch = x->vcpu->tlb_epoch;
    recent *r = recent_of(x, pc);
    pb_code_page page;
    iunit *u = NULL;

    free(x->transient);
    x->transient = NULL;
    if (x->attention & ATTENTION_STEP) {
        if (x->stepped) {
            fault->kind = FAULT_STEPPED;
            return NULL;
        }
        x->stepped = true;
        if (x->attention == ATTENTION_STEP && r->unit && r->pc == pc && r->key == key &&
            r->epoch == epoch && is_current(r->unit))
            return r->unit;
    }
    if (x->attention & ATTENTION_FLUSH || x->cached_bytes > x->interp->cache_bytes)
        flush_units(x);
    if (!x->logging) {
        if (x->vcpu->ops->code(x->vcpu, pc, mmu, &page, fault) != PB_MEM_OK)
            return NULL;
        if (page.host)
            u = look_up(x, page.generation, pc, key, mmu);
    }
    if (!u) {
        u = make_unit(x, pc, key, fault);
        if (!u)
            return NULL;
        if (x->logging || u->n_pages == 0) {
            x->transient = u;
            return u;
        }
        insert(x, u);
    }
    *r = (recent){ .pc = pc, .key = key, .unit = u, .epoch = epoch };
    return u;
}
