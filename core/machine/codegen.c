/* What an accelerator asks for: a code generator, "pb.codegen/1" (patchbay/codegen.h), or another accelerator,
 * "pb.accel/1" (patchbay/accel.h). */
#include <core/machine/internal.h>
#include <core/trace/trace.h>
#include <string.h>

#if defined(__x86_64__)
#define HOST_CODEGEN "x86_64"
#else
#define HOST_CODEGEN "none"
#endif

static pb_machine *machine_of(pb_object *object)
{
    return pb_instance_env(pb_instance_of(object))->opaque;
}

/* Set properties from "name=value,name=value", or with colons: commas part those of an accelerator's options. */
static bool set_properties(pb_instance *instance, const char *text, GError **error)
{
    g_auto(GStrv) pairs = g_strsplit_set(text ? text : "", ",:", -1);

    for (char **pair = pairs; *pair && **pair; pair++) {
        char *value = strchr(*pair, '=');

        if (value)
            *value++ = '\0';
        if (!pb_instance_set(instance, *pair, value ? value : "true", error))
            return false;
    }
    return pb_instance_settle_properties(instance, error);
}

/* With `--log code` and `--log passes` the accelerator gets a type whose emit() also writes to the log. */
static uint32_t emit_logged(void *self, pb_code_job *job)
{
    const GPtrArray *codegens = machine_of(job->vcpu->object)->codegens;
    guint i = 0;

    while (pb_instance_self(g_ptr_array_index(codegens, i)) != self)
        i++;
    return pb_trace_emit((const pb_codegen_type *)pb_instance_class(g_ptr_array_index(codegens, i)),
                         self, job);
}

static const pb_codegen_type *logged(pb_machine *machine, const pb_class *class)
{
    pb_codegen_type *type = g_memdup2(class, class->size);

    type->emit = emit_logged;
    g_ptr_array_add(machine->codegen_types, type);
    return type;
}

/* An instance of a type, for the object's machine; null with the error. */
static void *open_part(pb_object *object, pb_kind kind, const char *name, const char *path,
                       const char *properties, const pb_class **class, pb_error *error)
{
    pb_machine *machine = machine_of(object);
    g_autoptr(GError) why = NULL;
    g_autoptr(pb_instance) instance = NULL;

    *class = pb_plugin_host_type(machine->host, kind, name, &why);
    if (*class)
        instance = pb_instance_new(*class, path, &machine->env, NULL);
    if (!instance || !set_properties(instance, properties, &why) ||
        !pb_instance_init(instance, &why)) {
        pb_fail(error, "%s", why->message);
        return NULL;
    }
    g_ptr_array_add(machine->codegens, instance);
    return pb_instance_self(g_steal_pointer(&instance));
}

static void *open_codegen(pb_object *object, const char *name, const char *properties,
                          const pb_codegen_type **type, pb_error *error)
{
    const pb_class *class;
    void *self = open_part(object, PB_KIND_CODEGEN, name && *name ? name : HOST_CODEGEN, "codegen",
                           properties, &class, error);

    if (self)
        *type = pb_trace_wants(PB_LOG_ITEM_CODE) || pb_trace_wants(PB_LOG_ITEM_PASSES)
                    ? logged(machine_of(object), class)
                    : (const pb_codegen_type *)class;
    return self;
}

static void *open_accel(pb_object *object, const char *name, const char *properties,
                        const pb_accel_type **type, pb_error *error)
{
    const pb_class *class;
    void *self = open_part(object, PB_KIND_ACCEL, name, "accel.other", properties, &class, error);

    if (self)
        *type = (const pb_accel_type *)class;
    return self;
}

static bool counted(pb_object *object)
{
    return machine_of(object)->plan->run.threads == PB_THREADS_ROUND_ROBIN;
}

const pb_codegen_ops machine_codegens = {
    .size = sizeof(pb_codegen_ops),
    .open = open_codegen,
    .counted = counted,
};

const pb_accel_ops machine_accels = {
    .size = sizeof(pb_accel_ops),
    .open = open_accel,
};
