/*
 * Showing units to people (pb_accel_type.show). The cache keeps no IR and no lines: both are made again from the guest's
 * code, and belong to the unit if as many bytes of host code come out.
 */
#include "jit.h"

#include <stdlib.h>

typedef void show_function(void *opaque, const pb_accel_unit *unit);

static bool has_instruction(const ir_unit *ir, uint64_t pc)
{
    for (uint32_t i = 0; i < ir->n_marks; i++)
        if (ir->marks[i].pc == pc)
            return true;
    return false;
}

/* Emit once more, with lines, at the end of the slab: the job of a unit, or one that has no bytes. */
static pb_code_job emit_again(jit_vcpu *x, const ir_unit *ir, uint32_t flags, pb_code_line *lines)
{
    const jit *j = x->jit;
    pb_code_job job = { .size = sizeof(job),
                        .flags = flags | PB_CODE_LINES,
                        .unit = ir,
                        .vcpu = x->vcpu,
                        .lines = lines,
                        .max_lines = ir->n_marks };
    uint32_t bytes = 4096 + ir->n_marks * j->info.typical_bytes * 8;

    if (j->tc_ops->reserve(x->user, bytes, &job.slice) != PB_TC_ROOM ||
        j->codegen->emit(j->codegen_self, &job) != PB_EMIT_OK)
        job.bytes = 0;
    return job;
}

static void show_unit(jit_vcpu *x, const ir_unit *ir, uint32_t flags, const uint8_t *code,
                      uint32_t bytes, show_function *fn, void *opaque)
{
    pb_code_line *lines = calloc(ir->n_marks, sizeof(*lines));
    uint32_t *offsets = malloc(ir->n_marks * sizeof(*offsets));
    pb_accel_unit unit = {
        .size = sizeof(unit), .bytes = bytes, .ir = ir, .code = code, .offsets = offsets
    };

    if (lines && offsets) {
        pb_code_job job = emit_again(x, ir, flags, lines);

        for (uint32_t i = 0; i < ir->n_marks; i++)
            offsets[i] = UINT32_MAX;
        for (uint32_t i = 0; job.bytes == bytes && i < job.n_lines; i++)
            if (lines[i].mark < ir->n_marks)
                offsets[lines[i].mark] = lines[i].offset;
        fn(opaque, &unit);
    }
    free(lines);
    free(offsets);
}

/* ---- the cache's ------------------------------------------------------------------------------------------- */

/* Units of the virtual page: copies of their heads. */
typedef struct collection {
    uint64_t page;
    pb_tc_unit *units;
    uint32_t n, room;
} collection;

static void collect(void *opaque, const pb_tc_unit *unit)
{
    collection *c = opaque;

    if ((unit->key.pc & ~PB_PAGE_MASK) != c->page)
        return;
    if (c->n == c->room) {
        uint32_t room = c->room ? 2 * c->room : 64;
        pb_tc_unit *units = realloc(c->units, room * sizeof(*units));

        if (!units)
            return;
        c->units = units;
        c->room = room;
    }
    c->units[c->n++] = *unit;
}

static void show_cached(jit_vcpu *x, const pb_tc_unit *u, uint64_t pc, show_function *fn,
                        void *opaque)
{
    const pb_translate_ops *translate = x->jit->translate;
    bool alone = u->key.flags & PB_TC_ALONE;
    pb_translate_limits limits = { .max_insns = u->insns, .follow = true };
    pb_guest_fault fault;
    ir_unit *ir = translate->translate(x->vcpu, u->key.pc, u->key.key, &limits, NULL, &fault);

    if (!ir)
        return;
    if (has_instruction(ir, pc))
        show_unit(x, ir, flags_of_key(u->key.key) | (alone ? PB_CODE_ALONE : 0), u->code, u->bytes,
                  fn, opaque);
    translate->unit_free(ir);
}

void show_units(jit_vcpu *x, uint64_t pc, show_function *fn, void *opaque)
{
    const jit *j = x->jit;
    collection c = { .page = pc & ~PB_PAGE_MASK };

    if (j->tc_ops->enter(x->user))
        forget_jumps(x);
    if (x->unlisted && has_instruction(x->ir, pc))
        show_unit(x, x->ir, x->job.flags, x->unlisted, x->job.bytes, fn, opaque);
    j->tc_ops->each(x->user, collect, &c);
    for (uint32_t i = 0; i < c.n; i++)
        show_cached(x, &c.units[i], pc, fn, opaque);
    free(c.units);
    j->tc_ops->leave(x->user);
}
