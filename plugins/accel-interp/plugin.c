/*
 * accel-interp: executes the IR op by op, always through softfloat and the memory functions of the core. It
 * is slow and exact; every other accelerator is judged by it, so no fast path may ever be added to it.
 */
#include "interp.h"

#include <stdlib.h>

static bool init(void *self, pb_error *error)
{
    interp *s = self;

    s->translate = pb_extension(s->self, PB_EXTENSION_TRANSLATE);
    s->fp = pb_extension(s->self, PB_FP_EXTENSION);
    if (!s->translate || !s->fp)
        return pb_fail(error, "the host has no %s",
                       s->translate ? PB_FP_EXTENSION : PB_EXTENSION_TRANSLATE);
    return true;
}

static bool vcpu_init(void *self, pb_vcpu *vcpu, pb_error *error)
{
    const pb_cpu_type *type = vcpu->type;
    interp_vcpu *x = calloc(1, sizeof(*x));

    if (!x)
        return pb_fail(error, "out of memory");
    if (!type->translator) {
        free(x);
        return pb_fail(error, "cpu type '%s' has no translator", type->head.name);
    }
    x->interp = self;
    x->vcpu = vcpu;
    x->pc_slot = (char *)vcpu->state + type->slots[type->pc_slot].offset;
    x->pc_is_32 = type->slots[type->pc_slot].type == IR_I32;
    vcpu->accel = x;
    return true;
}

static void vcpu_finish(void *self, pb_vcpu *vcpu)
{
    interp *s = self;
    interp_vcpu *x = vcpu->accel;

    if (!x)
        return;
    flush_units(x);
    workspace_free(&x->work);
    s->translate->unit_free(x->ir);
    free(x);
    vcpu->accel = NULL;
}

static uint32_t run(void *self, pb_vcpu *vcpu)
{
    return execute(vcpu->accel);
}

/* In the middle of an instruction the units are needed still: then it is done before the next one. */
static void flush(void *self, pb_vcpu *vcpu)
{
    interp_vcpu *x = vcpu->accel;

    if (x->running)
        x->attention |= ATTENTION_FLUSH;
    else
        flush_units(x);
}

/* Nothing runs, so no unit is needed still. */
static void drop_code(void *self, pb_vcpu *vcpu, uint64_t first, uint64_t last)
{
    drop_page(vcpu->accel, first);
}

static uint32_t step_one(void *self, pb_vcpu *vcpu)
{
    return execute_one(vcpu->accel);
}

static void statistics(void *self, void (*line)(void *opaque, const char *name, uint64_t value),
                       void *opaque)
{
    interp *s = self;

    line(opaque, "units translated", __atomic_load_n(&s->translated, __ATOMIC_RELAXED));
    line(opaque, "cache flushes", __atomic_load_n(&s->flushed, __ATOMIC_RELAXED));
}

static const pb_prop props[] = { { "cache-size", PB_PROP_SIZE, PB_MEMBER(interp, cache_bytes),
                                   .initial = "32MiB", .min = 64 << 10, .max = UINT64_C(1) << 32,
                                   .doc = "Memory for translated code, of each processor" },
                                 { "unit-insns", PB_PROP_UINT, PB_MEMBER(interp, unit_insns),
                                   .initial = "48", .min = 1, .max = 48,
                                   .doc = "Instructions of a unit, at most" },
                                 { 0 } };

static const pb_state state[] = { PB_TRANSIENT(interp, translate, "a table of the host"),
                                  PB_TRANSIENT(interp, fp, "a table of the host"),
                                  PB_TRANSIENT(interp, translated, "a statistic"),
                                  PB_TRANSIENT(interp, flushed, "a statistic"),
                                  { 0 } };

static const pb_accel_type interp_type = {
    .head = { .size = sizeof(pb_accel_type),
              .kind = PB_KIND_ACCEL,
              .name = "interp",
              .doc = "Interpreter of the intermediate representation: slow and exact",
              .instance_size = sizeof(interp),
              PB_SELF(interp, self),
              .props = props,
              .state = state,
              .init = init },
    .vcpu_init = vcpu_init,
    .vcpu_finish = vcpu_finish,
    .run = run,
    .flush = flush,
    .statistics = statistics,
    .step = step_one,
    .drop_code = drop_code,
};

static const pb_class *const types[] = { &interp_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "accel-interp",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Reference interpreter",
    .types = types,
};
