/*
 * Runs a toy machine on an accelerator plugin: see accel.h.
 */
#include "accel.h"

#include <core/ir/unit.h>

#include <dlfcn.h>
#include <stdlib.h>

static const pb_accel_type *type;

void accel_open(const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const pb_plugin *plugin = handle ? dlsym(handle, PB_PLUGIN_SYMBOL) : NULL;

    if (!plugin) {
        printf("%s\n", dlerror());
        exit(2);
    }
    type = (const pb_accel_type *)(const void *)plugin->types[0];
}

void accel_use_type(const pb_accel_type *new_type)
{
    type = new_type;
}

/* Numbers and sizes; accelerators have nothing else that they do not do without. */
static void set_properties(void *self, uint64_t cache_bytes)
{
    for (const pb_prop *prop = type->head.props; prop && prop->name; prop++) {
        uint64_t value;

        if (prop->type == PB_PROP_SIZE)
            value = cache_bytes ? cache_bytes : g_ascii_strtoull(prop->initial, NULL, 10) << 20;
        else if (prop->type == PB_PROP_UINT)
            value = g_ascii_strtoull(prop->initial, NULL, 10);
        else
            continue;
        memcpy((char *)self + prop->offset, &value, prop->width);
    }
}

accel accel_new(toy_machine *m, uint64_t cache_bytes)
{
    accel a = { .type = type, .self = g_malloc0(type->head.instance_size), .m = m };
    pb_error error = PB_ERROR_INIT;

    *(pb_object **)(void *)((char *)a.self + type->head.self_offset - 1) = &m->object;
    set_properties(a.self, cache_bytes);
    if (!type->head.init(a.self, &error) || !type->vcpu_init(a.self, m->vcpu, &error)) {
        printf("%s\n", error.text);
        exit(2);
    }
    return a;
}

void accel_free(accel *a)
{
    a->type->vcpu_finish(a->self, a->m->vcpu);
    g_free(a->self);
}

uint32_t accel_run(accel *a, int64_t budget)
{
    a->m->vcpu->budget = budget;
    return a->type->run(a->self, a->m->vcpu);
}

void accel_flush(accel *a)
{
    a->type->flush(a->self, a->m->vcpu);
}

typedef struct wanted {
    const char *name;
    uint64_t value;
} wanted;

static void statistic(void *opaque, const char *name, uint64_t value)
{
    wanted *w = opaque;

    if (!strcmp(name, w->name))
        w->value = value;
}

uint64_t accel_statistic(accel *a, const char *name)
{
    wanted w = { .name = name };

    a->type->statistics(a->self, statistic, &w);
    return w.value;
}

/* ---- one unit given from outside --------------------------------------------------------------------------- */

static const ir_unit *given;

/* The caller frees what it gets, so it is a copy. */
static ir_unit *copy_unit(const ir_unit *u)
{
    ir_unit *out = pb_ir_unit_new(u->cpu);
    ir_unit empty = *out;

    *out = *u;
    out->ops = g_memdup2(u->ops, u->n_ops * sizeof(*u->ops));
    out->consts = g_memdup2(u->consts, u->n_consts * sizeof(*u->consts));
    out->extra = g_memdup2(u->extra, u->n_extra * sizeof(*u->extra));
    out->blocks = g_memdup2(u->blocks, u->n_blocks * sizeof(*u->blocks));
    out->marks = g_memdup2(u->marks, u->n_marks * sizeof(*u->marks));
    g_free(empty.ops);
    g_free(empty.consts);
    g_free(empty.extra);
    g_free(empty.blocks);
    g_free(empty.marks);
    return out;
}

static ir_unit *translate_given(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                                const pb_translate_limits *limits, ir_unit *reuse,
                                pb_guest_fault *fault)
{
    pb_ir_unit_free(reuse);
    if (pc != given->pc) {
        ir_unit *u = pb_ir_unit_new(vcpu->type);
        ir_builder b = pb_ir_builder(u);

        pb_ir_unit_reset(u, vcpu->type, pc, key);
        ir_block_begin(&b, ir_block_new(&b));
        ir_exit(&b, PB_RUN_DEBUG, pc);
        return u;
    }
    return copy_unit(given);
}

static bool log_disabled(pb_vcpu *vcpu)
{
    return false;
}

static const pb_translate_ops given_ops = {
    .size = sizeof(pb_translate_ops),
    .translate = translate_given,
    .unit_free = pb_ir_unit_free,
    .log_exec_enabled = log_disabled,
};

void accel_use_unit(toy_machine *m, const ir_unit *unit)
{
    given = unit;
    m->translate = &given_ops;
}
