/* What a debugger asks of virtual processors: see debug.h. */
#include <core/ir/translate.h>
#include <core/vcpu/internal.h>

/* A place where units end. */
typedef struct place {
    uint64_t pc;
    bool armed; /* a breakpoint, not only a place that was one */
} place;

struct pb_debug {
    GRWLock lock;   /* of places: regions are made while vCPUs stand, too */
    GArray *places; /* place, by pc */
    GArray *breaks; /* pb_debug_break; read without the lock by vCPUs that came to one */
    pb_debug_watch *watches;
    uint32_t n_watches;
};

static pb_debug *debug_of(const pb_cpus *cpus)
{
    return __atomic_load_n(&cpus->tables, __ATOMIC_ACQUIRE);
}

uint64_t pb_debug_pc(const pb_vcpu *vcpu)
{
    const pb_slot *slot = &vcpu->type->slots[vcpu->type->pc_slot];
    uint64_t pc = 0;

    memcpy(&pc, (const char *)vcpu->state + slot->offset, pb_slot_bytes(slot->type));
    return pc;
}

/* ---- breakpoints --------------------------------------------------------------------------------------- */

static const place *find_place(const pb_debug *d, uint64_t pc)
{
    uint32_t first = 0, last = d->places->len;

    while (first < last) {
        uint32_t middle = first + (last - first) / 2;
        const place *p = &g_array_index(d->places, place, middle);

        if (p->pc == pc)
            return p;
        if (p->pc < pc)
            first = middle + 1;
        else
            last = middle;
    }
    return NULL;
}

/* For the driver of translators: on the threads of vCPUs, and those that make regions. */
static pb_translate_stop stop_at(pb_vcpu *vcpu, uint64_t pc)
{
    pb_debug *d = debug_of(pb_vcpu_core_of(vcpu)->cpus);
    pb_translate_stop stop = PB_TRANSLATE_ON;
    const place *p;

    if (!d)
        return PB_TRANSLATE_ON;
    g_rw_lock_reader_lock(&d->lock);
    p = find_place(d, pc);
    if (p)
        stop = p->armed ? PB_TRANSLATE_STOP : PB_TRANSLATE_APART;
    g_rw_lock_reader_unlock(&d->lock);
    return stop;
}

static bool steps(pb_vcpu *vcpu)
{
    return pb_vcpu_core_of(vcpu)->pace != PB_DEBUG_FREE;
}

/* The unit of a step was asked for; what is asked for then is behind it, unless it was not executed, which counts tell. Who
 * does not count executes it always. */
static bool take_step(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    bool again = !vcpu->uncounted && vcpu->retired == core->step_retired;
    bool takes = !core->step_taken || again;

    core->step_taken = true;
    return takes;
}

static pb_debug *make_tables(pb_cpus *cpus)
{
    static const pb_translate_debugger debugger = { stop_at, steps, take_step };
    pb_debug *d = cpus->tables;

    if (d)
        return d;
    d = g_new0(pb_debug, 1);
    g_rw_lock_init(&d->lock);
    d->places = g_array_new(false, false, sizeof(place));
    d->breaks = g_array_new(false, false, sizeof(pb_debug_break));
    __atomic_store_n(&cpus->tables, d, __ATOMIC_RELEASE);
    pb_translate_set_debugger(&debugger);
    return d;
}

void pb_debug_free(pb_cpus *cpus)
{
    if (!cpus->tables)
        return;
    g_rw_lock_clear(&cpus->tables->lock);
    g_array_unref(cpus->tables->places);
    g_array_unref(cpus->tables->breaks);
    g_free(cpus->tables->watches);
    g_clear_pointer(&cpus->tables, g_free);
}

static int compare_places(gconstpointer a, gconstpointer b)
{
    uint64_t x = ((const place *)a)->pc, y = ((const place *)b)->pc;

    return x < y ? -1 : x > y;
}

static bool contains(const pb_debug_break *breaks, uint32_t n, uint64_t pc)
{
    for (uint32_t i = 0; i < n; i++)
        if (breaks[i].pc == pc)
            return true;
    return false;
}

#define MOST_DROPS \
    64 /* places; when more come or go at once, all units are dropped, which takes less time */

static void drop_units_of(pb_cpus *cpus, pb_vcpu *vcpu, const GArray *changed)
{
    const pb_accel_type *type = cpus->accel_type;
    bool by_place = PB_ACCEL_HAS(type, drop_code) && type->drop_code && changed->len <= MOST_DROPS;

    for (uint32_t i = 0; by_place && i < changed->len; i++) {
        uint64_t pc = g_array_index(changed, uint64_t, i);

        /* With the instruction in front of it. */
        type->drop_code(cpus->accel, vcpu, pc & PB_PAGE_MASK ? pc - 1 : pc, pc);
    }
    if (!by_place && changed->len > 0 && type->flush)
        type->flush(cpus->accel, vcpu);
}

/* Units that have places in the middle which came, or end at those which went. */
static void drop_units(pb_cpus *cpus, const GArray *changed)
{
    for (uint32_t i = 0; cpus->accel_type && i < pb_cpus_count(cpus); i++)
        drop_units_of(cpus, pb_cpus_at(cpus, i), changed);
}

static bool is_for(const pb_vcpu_core *core, uint32_t cluster)
{
    return cluster == PB_DEBUG_ALL || cluster == core->cluster;
}

/* Whether the vCPU stops there, and not only units end. */
static bool stops_at(pb_vcpu *vcpu, uint64_t pc)
{
    const pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    const pb_debug *d = debug_of(core->cpus);

    for (uint32_t i = 0; d && i < d->breaks->len; i++) {
        const pb_debug_break *b = &g_array_index(d->breaks, pb_debug_break, i);

        if (b->pc == pc && is_for(core, b->cluster))
            return true;
    }
    return false;
}

/* Whether units end where it is only because others stop there. */
static bool is_of_others(pb_vcpu *vcpu)
{
    uint64_t pc = pb_debug_pc(vcpu);

    return stop_at(vcpu, pc) == PB_TRANSLATE_STOP && !stops_at(vcpu, pc);
}

void pb_debug_set_breaks(pb_cpus *cpus, const pb_debug_break *breaks, uint32_t n, bool keep)
{
    pb_debug *d = n > 0 || cpus->tables ? make_tables(cpus) : NULL;
    GArray *places = g_array_new(false, false, sizeof(place));
    g_autoptr(GArray) changed = g_array_new(false, false, sizeof(uint64_t));

    for (uint32_t i = 0; d && i < d->places->len; i++) {
        place p = g_array_index(d->places, place, i);

        p.armed = contains(breaks, n, p.pc);
        if (p.armed || keep)
            g_array_append_val(places, p);
        else
            g_array_append_val(changed, p.pc);
    }
    for (uint32_t i = 0; i < n; i++) {
        place p = { breaks[i].pc, true };

        if (find_place(d, p.pc) || contains(breaks, i, p.pc))
            continue;
        g_array_append_val(places, p);
        g_array_append_val(changed, p.pc);
    }
    g_array_sort(places, compare_places);
    if (!d) {
        g_array_unref(places);
        return;
    }
    g_rw_lock_writer_lock(&d->lock);
    g_array_unref(d->places);
    d->places = places;
    g_array_set_size(d->breaks, 0);
    g_array_append_vals(d->breaks, breaks, n);
    g_rw_lock_writer_unlock(&d->lock);
    drop_units(cpus, changed);
}

/* ---- watchpoints --------------------------------------------------------------------------------------- */

/* Addresses are compared without the byte that may be a tag: those that differ there are the same, or one is none. */
static uint64_t without_tag(uint64_t gva)
{
    return (uint64_t)((int64_t)(gva << 8) >> 8);
}

void pb_debug_set_watches(pb_cpus *cpus, const pb_debug_watch *watches, uint32_t n)
{
    pb_debug *d = n > 0 || cpus->tables ? make_tables(cpus) : NULL;

    if (!d || (n == d->n_watches && (n == 0 || !memcmp(watches, d->watches, n * sizeof(*watches)))))
        return;
    g_free(d->watches);
    d->watches = g_memdup2(watches, n * sizeof(*watches));
    d->n_watches = n;
    for (uint32_t i = 0; i < n; i++)
        d->watches[i].gva = without_tag(watches[i].gva);
    cpus->watched = n > 0;
    for (uint32_t i = 0; i < pb_cpus_count(cpus); i++)
        pb_cpus_at(cpus, i)->watched = n > 0;
    /* What was tagged before. What becomes plain again is tagged at the next access. */
    for (uint32_t i = 0; n > 0 && i < pb_cpus_count(cpus); i++)
        pb_tlb_flush_all(pb_cpus_at(cpus, i));
}

/* Whether two stretches have a byte in common; `last` is inclusive. */
static bool meet(uint64_t first, uint64_t last, const pb_debug_watch *w)
{
    return w->gva <= last && first <= w->gva + (w->bytes - 1);
}

bool pb_debug_watches_some(const pb_vcpu_core *core, uint64_t gva, uint64_t bytes)
{
    const pb_debug *d = debug_of(core->cpus);
    uint64_t first = without_tag(gva) & ~(bytes - 1);

    for (uint32_t i = 0; i < d->n_watches; i++)
        if (is_for(core, d->watches[i].cluster) && meet(first, first | (bytes - 1), &d->watches[i]))
            return true;
    return false;
}

bool pb_debug_is_watched(const pb_slow *slow, uint32_t kind)
{
    pb_vcpu_core *core = pb_vcpu_core_of(slow->vcpu);
    const pb_debug *d = debug_of(core->cpus);
    uint64_t gva = without_tag(slow->gva), last = gva + PB_MEM_GET_BYTES(slow->attr) - 1;

    /* The vCPU's own accesses only: pb_vcpu_ops serve debuggers and tests as well. */
    if (pb_vcpu_current() != slow->vcpu)
        return false;
    for (uint32_t i = 0; i < d->n_watches; i++) {
        const pb_debug_watch *w = &d->watches[i];

        if (!is_for(core, w->cluster) || !meet(gva, last, w) ||
            (w->kind != kind && w->kind != PB_DEBUG_ACCESS && kind != PB_DEBUG_ACCESS))
            continue;
        core->stop = (pb_debug_stop){ w->kind, MAX(w->gva, gva) };
        pb_slow_fault(slow, PB_FAULT_DEBUG, core->stop.gva, 0);
        return true;
    }
    return false;
}

/* ---- running ------------------------------------------------------------------------------------------- */

void pb_debug_set_pace(pb_vcpu *vcpu, pb_debug_pace pace)
{
    if (pace != PB_DEBUG_FREE)
        make_tables(pb_vcpu_core_of(vcpu)->cpus);
    pb_vcpu_core_of(vcpu)->pace = pace;
    pb_vcpu_core_of(vcpu)->passes = false;
}

pb_debug_pace pb_debug_pace_of(pb_vcpu *vcpu)
{
    return pb_vcpu_core_of(vcpu)->pace;
}

void pb_debug_hold(pb_vcpu *vcpu, bool hold)
{
    pb_runner_set_held(pb_vcpu_core_of(vcpu)->runner, hold);
}

bool pb_debug_idles(pb_vcpu *vcpu)
{
    return pb_runner_idle(pb_vcpu_core_of(vcpu)->runner);
}

pb_debug_stop pb_debug_stop_of(pb_vcpu *vcpu)
{
    return pb_vcpu_core_of(vcpu)->stop;
}

/* Tell of a stop; what was begun and not done is not counted. */
void pb_debug_stopped(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    bool passed = core->passes && core->stop.kind == PB_DEBUG_STEP;

    if (core->stop.kind == PB_DEBUG_NONE) /* a unit that ends with a stop: at a breakpoint */
        core->stop = (pb_debug_stop){ PB_DEBUG_BREAK, 0 };
    core->passes = core->stop.kind == PB_DEBUG_BREAK && is_of_others(vcpu);
    core->pace = core->passes ? PB_DEBUG_STEPS : PB_DEBUG_FREE;
    if (passed || core->passes)
        return;
    if (core->cpus->debug)
        core->cpus->debug(core->cpus->debug_opaque, vcpu);
}

void pb_debug_uncount(pb_vcpu *vcpu)
{
    if (pb_vcpu_core_of(vcpu)->stop.kind < PB_DEBUG_READ)
        return;
    vcpu->retired--;
    if (vcpu->budget != INT64_MAX)
        vcpu->budget++;
}

/* Run the accelerator for one instruction. PB_RUN_DEBUG: it is done, or something else stops. */
uint32_t pb_debug_step(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    bool quiet = core->pace == PB_DEBUG_QUIETLY;
    uint64_t pc = pb_debug_pc(vcpu), retired = vcpu->retired;
    uint32_t waits =
        __atomic_fetch_and(&vcpu->exit_request, ~(uint32_t)PB_EXIT_INTERRUPT, __ATOMIC_SEQ_CST) &
        PB_EXIT_INTERRUPT;
    uint32_t reason;

    if (stops_at(vcpu, pc)) {
        reason = PB_RUN_DEBUG;
    } else if (!quiet && vcpu->type->interrupt(vcpu)) {
        waits = 0;
        reason = PB_RUN_DEBUG;
        core->stop.kind = PB_DEBUG_STEP;
    } else {
        core->step_taken = false;
        core->step_retired = retired;
        reason = core->cpus->accel_type->run(core->cpus->accel, vcpu);
        if (core->stop.kind == PB_DEBUG_NONE && reason != PB_RUN_USER &&
            (reason == PB_RUN_DEBUG || pb_debug_pc(vcpu) != pc || vcpu->retired != retired))
            core->stop.kind = PB_DEBUG_STEP;
    }
    if (quiet && waits)
        __atomic_fetch_or(&vcpu->exit_request, waits, __ATOMIC_SEQ_CST);
    return reason;
}

bool pb_debug_wrote(pb_vcpu *vcpu, GError **error)
{
    const pb_class *class = &vcpu->type->head;
    pb_error why = PB_ERROR_INIT;

    pb_runner_set_idle(pb_vcpu_core_of(vcpu)->runner, false);
    vcpu->exclusive_bytes = 0;
    if (!class->loaded || class->loaded(vcpu->state, &why))
        return true;
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, why.text);
    return false;
}
