/*
 * Finding units: in the translation cache by their page and pc, else they are translated, emitted and
 * published there.
 *
 * Some are not published: code that is not RAM, units cut to the budget, units of the execution log, one
 * whose second page is now another. They are executed once, right after they were emitted. So is the first instruction
 * of one whose page was written to since.
 */
#include "jit.h"

/* Whether a unit of two pages has its second one where it was. */
static bool second_page_fits(jit_vcpu *x, const pb_tc_unit *u, uint32_t mmu)
{
    uint64_t next = (u->key.pc | PB_PAGE_MASK) + 1;
    pb_guest_fault fault;
    pb_code_page page;

    return !u->next_page || (x->vcpu->ops->code(x->vcpu, next, mmu, &page, &fault) == PB_MEM_OK &&
                             page.host && page.generation == u->next_page);
}

typedef enum emitted { EMITTED = 0, EMIT_SHORTER, EMIT_LATER } emitted;

static emitted emit_for(const jit_maker *m, uint64_t key, uint32_t flags)
{
    const jit *j = m->jit;
    uint32_t bytes = 512 + m->ir->n_marks * j->info.typical_bytes * 2;
    uint32_t status, room;

    do {
        *m->job = (pb_code_job){ .size = sizeof(*m->job),
                                 .flags = flags | flags_of_key(key) | PB_CODE_LINES,
                                 .unit = m->ir,
                                 .vcpu = m->fp_of,
                                 .lines = m->lines,
                                 .max_lines = UNIT_LINES };
        room = j->tc_ops->reserve(m->user, bytes, &m->job->slice);
        if (room != PB_TC_ROOM)
            return room == PB_TC_LATER ? EMIT_LATER : EMIT_SHORTER;
        status = j->codegen->emit(j->codegen_self, m->job);
        bytes = m->job->slice.bytes * 2;
    } while (status == PB_EMIT_NO_ROOM);
    return status == PB_EMIT_OK ? EMITTED : EMIT_SHORTER;
}

/* Emit the translation into x->job. */
static emitted emit(jit_vcpu *x, uint32_t flags)
{
    jit_maker m = maker_of(x);

    return emit_for(&m, x->key, flags);
}

bool emit_region(const jit_maker *m, uint64_t key)
{
    bool entered = __atomic_load_n(&m->jit->entered, __ATOMIC_RELAXED);

    return emit_for(m, key, PB_CODE_REGION | (entered ? PB_CODE_ENTERED : 0)) == EMITTED;
}

static uint32_t limit_of(const jit_vcpu *x, jit_want want)
{
    if (x->logging || want == WANT_ALONE)
        return 1;
    if (want == WANT_BUDGET && x->vcpu->budget < UNIT_INSNS)
        return (uint32_t)x->vcpu->budget;
    return UNIT_INSNS;
}

/* What has a unit is jumped to rather than translated once more: a sixth less is, in real programs. It need not be
 * found out for sure. */
static bool has_unit(void *opaque, uint64_t pc)
{
    return knows_jump(opaque, pc);
}

static ir_unit *translate(jit_vcpu *x, uint64_t pc, const pb_translate_limits *limits,
                          pb_guest_fault *fault)
{
    const pb_translate_ops *ops = x->jit->translate;

    if (limits->max_insns > 1 && PB_HAS(ops, translate_until))
        return ops->translate_until(x->vcpu, pc, x->key, limits, has_unit, x, x->ir, fault);
    return ops->translate(x->vcpu, pc, x->key, limits, x->ir, fault);
}

/* Translate and emit into x->job. False with the fault as find_entry() says. */
static bool make(jit_vcpu *x, uint64_t pc, jit_want want, pb_guest_fault *fault)
{
    pb_translate_limits limits = { .max_insns = limit_of(x, want), .follow = !x->logging };
    uint64_t began = now_ns();

    for (;;) {
        ir_unit *ir = translate(x, pc, &limits, fault);
        emitted how;

        if (!ir)
            return false;
        x->ir = ir;
        how = emit(x, want == WANT_ALONE || x->logging ? PB_CODE_ALONE : 0);
        if (how == EMITTED)
            break;
        if (how == EMIT_LATER || limits.max_insns <= 1) {
            fault->kind = how == EMIT_LATER ? NO_ROOM_NOW : NO_CODE;
            return false;
        }
        limits.max_insns /= 2;
    }
    __atomic_add_fetch(&x->jit->translated, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&x->jit->insns, x->ir->n_marks, __ATOMIC_RELAXED);
    __atomic_add_fetch(&x->jit->translating_ns, now_ns() - began, __ATOMIC_RELAXED);
    return true;
}

/* Enter what make() made; the entry to execute. */
static const void *publish(jit_vcpu *x, const pb_tc_key *key)
{
    const jit *j = x->jit;
    pb_tc_unit *other = NULL;
    pb_tc_unit *u = j->tc_ops->publish(x->user, key, x->ir, &x->job, &other);

    if (!u)
        u = other;
    if (!u) /* the page was written to meanwhile */
        return NULL;
    if (x->linking && !u->next_page)
        j->tc_ops->link(x->user, x->linking, u);
    if (!(key->flags & PB_TC_ALONE))
        remember_jump(x, key->pc, u->entry);
    return u->entry;
}

/* Nothing retires what is in no cache. A single instruction that nobody counts is executed now, requests or not: who asked
 * for it would not know whether it was. */
static const void *execute_once(jit_vcpu *x)
{
    x->unlisted = x->job.slice.rx;
    return x->job.slice.rx + (x->logging && !x->jit->counted ? x->job.direct : x->job.entry);
}

const void *find_entry(jit_vcpu *x, uint64_t pc, jit_want want, pb_guest_fault *fault)
{
    const jit *j = x->jit;
    uint32_t mmu = x->vcpu->type->translator->fetch_mmu(x->key);
    pb_tc_key key = { .pc = pc, .key = x->key, .flags = want == WANT_ALONE ? PB_TC_ALONE : 0 };
    bool listed = want != WANT_BUDGET && !x->logging;
    pb_tc_unit *u = NULL;
    pb_code_page page;
    const void *entry = NULL;

    x->unlisted = NULL;
    if (listed) {
        if (x->vcpu->ops->code(x->vcpu, pc, mmu, &page, fault) != PB_MEM_OK)
            return NULL;
        listed = page.host != NULL;
        key.page = page.generation;
    }
    if (listed)
        u = j->tc_ops->lookup(x->user, &key);
    if (u && !second_page_fits(x, u, mmu)) {
        listed = false;
        u = NULL;
    }
    if (u) {
        if (x->linking && !u->next_page)
            j->tc_ops->link(x->user, x->linking, u);
        if (!key.flags)
            remember_jump(x, pc, u->entry);
        return u->entry;
    }
    if (x->jit->regions == REGIONS_ALWAYS && listed && !key.flags && make_region(x, &key)) {
        entry = publish(x, &key);
        count_region(x->jit, entry != NULL);
    }
    if (entry)
        return entry;
    if (!make(x, pc, want, fault))
        return NULL;
    if (x->logging)
        j->translate->log_exec(x->vcpu, x->ir);
    if (listed && x->ir->n_pages) {
        entry = publish(x, &key);
        /* A loop to its own entry would go on with the old code for ever: alone it has none. */
        if (!entry && !make(x, pc, WANT_ALONE, fault))
            return NULL;
    }
    return entry ? entry : execute_once(x);
}

bool pc_of_site(jit_vcpu *x, const uint8_t *site, uint64_t *pc)
{
    pb_tc_unit *unit;
    pb_code_link link;

    if (x->unlisted && site >= x->unlisted && site < x->unlisted + x->job.bytes) {
        for (uint32_t i = 0; i < x->job.n_links; i++)
            if (x->unlisted + x->job.links[i].site == site) {
                *pc = x->job.links[i].pc;
                return true;
            }
        return false;
    }
    if (!x->jit->tc_ops->link_at(x->user, site, &unit, &link))
        return false;
    *pc = link.pc;
    return true;
}
