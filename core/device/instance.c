/*
 * Instances: life, and the pb_object_ops that their plugins see.
 */
#include <core/device/instance.h>

G_DEFINE_QUARK(pb - object - error, pb_object_error)

#define SELF_ALIGNMENT 64

bool pb_object_fail(GError **error, pb_object_error code, const pb_instance *instance,
                    const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, PB_OBJECT_ERROR, (gint)code, "%s%s%s", instance ? instance->path : "",
                instance ? ": " : "", text);
    return false;
}

/* ---- what the plugin sees ------------------------------------------------------------------------ */

pb_instance *pb_instance_of(pb_object *object)
{
    return (pb_instance *)object;
}

static void log_valist(const pb_instance *instance, uint32_t kind, const char *format, va_list args)
    G_GNUC_PRINTF(3, 0);

static void log_valist(const pb_instance *instance, uint32_t kind, const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);

    instance->env->log(instance->env->opaque, instance, kind, text);
}

void pb_instance_log(const pb_instance *instance, uint32_t kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_valist(instance, kind, format, args);
    va_end(args);
}

static void object_log(pb_object *object, uint32_t kind, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void object_log(pb_object *object, uint32_t kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_valist(pb_instance_of(object), kind, format, args);
    va_end(args);
}

static bool object_trace_enabled(pb_object *object, const char *event)
{
    const pb_instance *instance = pb_instance_of(object);

    return instance->env->trace_enabled &&
           instance->env->trace_enabled(instance->env->opaque, instance, event);
}

static void object_trace(pb_object *object, const char *event, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void object_trace(pb_object *object, const char *event, const char *format, ...)
{
    const pb_instance *instance = pb_instance_of(object);
    g_autofree char *text = NULL;
    va_list args;

    if (!instance->env->trace)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    instance->env->trace(instance->env->opaque, instance, event, text);
}

static const void *object_extension(pb_object *object, const char *id)
{
    pb_instance *instance = pb_instance_of(object);

    return instance->env->extension ? instance->env->extension(instance->env->opaque, instance, id)
                                    : NULL;
}

static const char *object_path(pb_object *object)
{
    return pb_instance_of(object)->path;
}

static void object_request(pb_object *object, uint32_t request, int32_t status)
{
    pb_instance *instance = pb_instance_of(object);

    instance->env->request(instance->env->opaque, instance, request, status);
}

static void object_region_map(pb_object *object, uint32_t region, uint64_t gpa, bool mapped)
{
    pb_instance *instance = pb_instance_of(object);

    instance->env->region_map(instance->env->opaque, instance, region, gpa, mapped);
}

static bool object_region_place(pb_object *object, uint32_t region, uint64_t *gpa)
{
    pb_instance *instance = pb_instance_of(object);
    const pb_object_env *env = instance->env;

    return env->region_place && env->region_place(env->opaque, instance, region, gpa);
}

static void *object_region_bytes(pb_object *object, uint32_t region, uint64_t *size)
{
    pb_instance *instance = pb_instance_of(object);

    return instance->env->region_bytes(instance->env->opaque, instance, region, size);
}

static void object_region_romd(pb_object *object, uint32_t region, bool romd)
{
    pb_instance *instance = pb_instance_of(object);

    instance->env->region_romd(instance->env->opaque, instance, region, romd);
}

static void object_region_changed(pb_object *object, uint32_t region, uint64_t first,
                                  uint64_t length)
{
    pb_instance *instance = pb_instance_of(object);

    instance->env->region_changed(instance->env->opaque, instance, region, first, length);
}

static const pb_object_ops object_ops = {
    .size = sizeof(object_ops),
    .log = object_log,
    .trace_enabled = object_trace_enabled,
    .trace = object_trace,
    .extension = object_extension,
    .path = object_path,
    .request = object_request,
    .region_map = object_region_map,
    .region_bytes = object_region_bytes,
    .region_romd = object_region_romd,
    .region_changed = object_region_changed,
    .region_place = object_region_place,
};

/* ---- life ---------------------------------------------------------------------------------------- */

const pb_device_type *pb_class_device(const pb_class *class)
{
    return class->kind == PB_KIND_DEVICE ? (const pb_device_type *)class : NULL;
}

static uint32_t count_properties(const pb_class *class)
{
    uint32_t count = 0;

    while (class->props && class->props[count].name)
        count++;
    return count;
}

pb_instance *pb_instance_new(const pb_class *class, const char *path, const pb_object_env *env,
                             void *memory)
{
    pb_instance *instance = g_new0(pb_instance, 1);

    instance->object.ops = pb_check_enabled ? pb_check_object_ops(&object_ops) : &object_ops;
    instance->checked = pb_check_enabled;
    instance->class = class;
    instance->env = env;
    instance->path = g_strdup(path);
    instance->owns_self = !memory;
    instance->self = memory ? memory : g_aligned_alloc0(1, class->instance_size, SELF_ALIGNMENT);
    instance->property_set = g_new0(bool, count_properties(class));
    instance->texts = g_ptr_array_new_with_free_func(g_free);
    if (class->self_offset)
        *(pb_object **)((char *)instance->self + class->self_offset - 1) = &instance->object;
    pb_instance_set_defaults(instance);
    return instance;
}

bool pb_instance_settle_properties(pb_instance *instance, GError **error)
{
    g_return_val_if_fail(instance->phase == PB_PHASE_NEW, false);
    for (const pb_prop *prop = instance->class->props; prop && prop->name; prop++)
        if (!prop->initial && !instance->property_set[prop - instance->class->props])
            return pb_object_fail(error, PB_OBJECT_ERROR_REQUIRED, instance,
                                  "property '%s' must be given (%s)", prop->name, prop->doc);
    pb_instance_make_ends(instance);
    instance->phase = PB_PHASE_SETTLED;
    return true;
}

static void make_timers(pb_instance *instance)
{
    const pb_object_env *env = instance->env;

    for (const pb_state *state = instance->class->state; state && state->name; state++) {
        pb_timer *timer;

        if (state->kind != PB_STATE_KIND_TIMER)
            continue;
        timer = env->timer_new(env->opaque, instance, state->name, state->expired, instance->self);
        instance->timers = g_renew(pb_timer *, instance->timers, instance->n_timers + 1);
        instance->timers[instance->n_timers++] = timer;
        *(pb_timer **)((char *)instance->self + state->offset) = timer;
    }
}

static void free_timers(pb_instance *instance)
{
    for (uint32_t i = 0; i < instance->n_timers; i++)
        instance->env->timer_free(instance->env->opaque, instance->timers[i]);
    g_clear_pointer(&instance->timers, g_free);
    instance->n_timers = 0;
}

static void make_dispatch(pb_instance *instance)
{
    const pb_device_type *device = pb_class_device(instance->class);

    while (device && device->regions && device->regions[instance->n_regions].name)
        instance->n_regions++;
    instance->dispatch = g_new0(pb_dispatch *, instance->n_regions);
    instance->checks = instance->checked ? pb_check_regions_new(instance->n_regions) : NULL;
    for (uint32_t i = 0; i < instance->n_regions; i++)
        if (device->regions[i].kind == PB_REGION_REGS)
            instance->dispatch[i] = pb_dispatch_new(instance, i);
}

static void free_dispatch(pb_instance *instance)
{
    for (uint32_t i = 0; i < instance->n_regions; i++)
        pb_dispatch_free(instance->dispatch[i]);
    g_clear_pointer(&instance->dispatch, g_free);
    g_clear_pointer(&instance->checks, g_free);
    instance->n_regions = 0;
}

bool pb_instance_init(pb_instance *instance, GError **error)
{
    pb_error reason = PB_ERROR_INIT;

    g_return_val_if_fail(instance->phase == PB_PHASE_SETTLED, false);
    if (!pb_instance_check_connected(instance, error))
        return false;
    make_timers(instance);
    make_dispatch(instance);
    if (instance->class->init && !instance->class->init(instance->self, &reason)) {
        free_dispatch(instance);
        free_timers(instance);
        return pb_object_fail(error, PB_OBJECT_ERROR_INIT, instance, "%s",
                              *reason.text ? reason.text : "init failed without a reason");
    }
    instance->phase = PB_PHASE_READY;
    return true;
}

void pb_instance_reset(pb_instance *instance)
{
    g_return_if_fail(instance->phase == PB_PHASE_READY);
    for (uint32_t i = 0; i < instance->n_regions; i++)
        if (instance->dispatch[i])
            pb_dispatch_reset(instance->dispatch[i]);
    if (instance->class->reset)
        instance->class->reset(instance->self);
}

void pb_instance_finish(pb_instance *instance)
{
    if (instance->phase != PB_PHASE_READY)
        return;
    if (instance->class->finish)
        instance->class->finish(instance->self);
    free_timers(instance);
    free_dispatch(instance);
    instance->phase = PB_PHASE_SETTLED;
}

void pb_instance_free(pb_instance *instance)
{
    if (!instance)
        return;
    pb_instance_finish(instance);
    pb_instance_free_ends(instance);
    if (instance->owns_self)
        g_aligned_free(instance->self);
    g_ptr_array_unref(instance->texts);
    g_free(instance->property_set);
    g_free(instance->directory);
    g_free(instance->path);
    g_free(instance);
}

/* ---- questions ----------------------------------------------------------------------------------- */

const pb_class *pb_instance_class(const pb_instance *instance)
{
    return instance->class;
}

const char *pb_instance_path(const pb_instance *instance)
{
    return instance->path;
}

void *pb_instance_self(const pb_instance *instance)
{
    return instance->self;
}

pb_object *pb_instance_object(pb_instance *instance)
{
    return &instance->object;
}

const pb_object_env *pb_instance_env(const pb_instance *instance)
{
    return instance->env;
}

uint32_t pb_instance_region_count(const pb_instance *instance)
{
    const pb_device_type *device = pb_class_device(instance->class);
    uint32_t count = 0;

    while (device && device->regions && device->regions[count].name)
        count++;
    return count;
}

const pb_region *pb_instance_region(const pb_instance *instance, uint32_t index)
{
    return &pb_class_device(instance->class)->regions[index];
}

int pb_class_region(const pb_class *class, const char *name, GError **error)
{
    const pb_device_type *device = pb_class_device(class);
    g_autoptr(GString) names = g_string_new(NULL);

    for (int i = 0; device && device->regions && device->regions[i].name; i++) {
        if (strcmp(device->regions[i].name, name) == 0)
            return i;
        g_string_append_printf(names, "%s%s", i ? ", " : "", device->regions[i].name);
    }
    pb_object_fail(error, PB_OBJECT_ERROR_NAME, NULL, "%s has no region '%s'%s%s", class->name,
                   name, names->len ? "; it has " : "", names->str);
    return -1;
}

uint64_t pb_instance_region_bytes(const pb_instance *instance, uint32_t index)
{
    const pb_region *region = pb_instance_region(instance, index);

    if (!region->bytes_offset)
        return region->bytes;
    return *(const uint64_t *)((const char *)instance->self + region->bytes_offset - 1);
}

pb_region_handlers pb_instance_handlers(pb_instance *instance, uint32_t index)
{
    const pb_region *region = pb_instance_region(instance, index);
    pb_region_handlers handlers = { region->ops, instance->self };

    g_return_val_if_fail(instance->phase == PB_PHASE_READY, (pb_region_handlers){ 0 });
    if (instance->dispatch[index])
        handlers = (pb_region_handlers){ &pb_dispatch_ops, instance->dispatch[index] };
    return instance->checked ? pb_check_handlers(instance, index, handlers) : handlers;
}
