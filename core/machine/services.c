/* What loaders may ask of the machine: the extension "pb.machine/1" (patchbay/loader.h). */
#include <core/machine/device_tree.h>
#include <core/machine/internal.h>
#include <core/util/file.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static pb_machine *machine_of(pb_object *object)
{
    return pb_instance_env(pb_instance_of(object))->opaque;
}

/* Errors of the core, told to a plugin. */
static void pass_on(GError *from, pb_error *to)
{
    pb_fail(to, "%s", from->message);
    g_error_free(from);
}

static int compare_memories(gconstpointer a, gconstpointer b)
{
    const pb_plan_memory *first = *(const pb_plan_memory *const *)a;
    const pb_plan_memory *second = *(const pb_plan_memory *const *)b;

    return (first->gpa > second->gpa) - (first->gpa < second->gpa);
}

static bool ram(pb_object *object, uint32_t index, uint64_t *gpa, uint64_t *bytes)
{
    const pb_machine *machine = machine_of(object);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    const pb_plan_memory *found;

    for (unsigned i = 0; i < machine->plan->memories->len; i++) {
        pb_plan_memory *memory = g_ptr_array_index(machine->plan->memories, i);

        if (memory->type == PB_MEMORY_RAM)
            g_ptr_array_add(sorted, memory);
    }
    g_ptr_array_sort(sorted, compare_memories);
    if (index >= sorted->len)
        return false;
    found = g_ptr_array_index(sorted, index);
    *gpa = found->gpa;
    *bytes = found->bytes;
    return true;
}

static uint32_t vcpu_count(pb_object *object)
{
    return pb_cpus_count(machine_of(object)->cpus);
}

static pb_vcpu *vcpu(pb_object *object, uint32_t index)
{
    pb_machine *machine = machine_of(object);

    return index < pb_cpus_count(machine->cpus) ? pb_cpus_at(machine->cpus, index) : NULL;
}

static bool write_memory(pb_object *object, uint64_t gpa, const void *bytes, uint64_t length,
                         const char *what, pb_error *error)
{
    GError *failure = NULL;

    if (pb_space_program(machine_of(object)->memory, gpa, bytes, length, what, &failure))
        return true;
    pass_on(failure, error);
    return false;
}

static bool zero_memory(pb_object *object, uint64_t gpa, uint64_t length, const char *what,
                        pb_error *error)
{
    return write_memory(object, gpa, NULL, length, what, error);
}

static void clear_claim(gpointer claim)
{
    g_free(((machine_claim *)claim)->what);
}

void machine_forget_claims(pb_machine *machine)
{
    if (!machine->claims) {
        machine->claims = g_array_new(FALSE, FALSE, sizeof(machine_claim));
        g_array_set_clear_func(machine->claims, clear_claim);
    }
    g_array_set_size(machine->claims, 0);
}

static bool claim(pb_object *object, uint64_t gpa, uint64_t length, const char *what,
                  pb_error *error)
{
    pb_machine *machine = machine_of(object);
    machine_claim taken = { gpa, gpa + (length - 1), NULL };

    if (length == 0)
        return true;
    if (taken.last < gpa)
        return pb_fail(error, "%s: goes past the end of the address space", what);
    for (unsigned i = 0; i < machine->claims->len; i++) {
        const machine_claim *other = &g_array_index(machine->claims, machine_claim, i);

        if (gpa <= other->last && taken.last >= other->first)
            return pb_fail(error, "%s (0x%llx-0x%llx) overlaps %s (0x%llx-0x%llx)", what,
                           (unsigned long long)gpa, (unsigned long long)taken.last, other->what,
                           (unsigned long long)other->first, (unsigned long long)other->last);
    }
    taken.what = g_strdup(what);
    g_array_append_val(machine->claims, taken);
    return true;
}

static pb_instance *instance_at(void *opaque, const char *path)
{
    const machine_part *part = g_hash_table_lookup(((pb_machine *)opaque)->by_path, path);

    return part ? part->instance : NULL;
}

static const void *device_tree(pb_object *object, const char *bootargs, uint64_t initrd_gpa,
                               uint64_t initrd_bytes, uint32_t *length, pb_error *error)
{
    pb_machine *machine = machine_of(object);
    const pb_device_tree_options options = { .bootargs = bootargs,
                                             .initrd_gpa = initrd_gpa,
                                             .initrd_bytes = initrd_bytes,
                                             .rng_seed = machine->rng_seed,
                                             .rng_seed_bytes = sizeof(machine->rng_seed),
                                             .instance = instance_at,
                                             .opaque = machine };
    GError *failure = NULL;
    void *tree = pb_device_tree_new(machine->plan, &options, length, &failure);

    if (!tree) {
        pass_on(failure, error);
        return NULL;
    }
    g_clear_pointer(&machine->tree, g_bytes_unref);
    machine->tree = g_bytes_new_take(tree, *length);
    return tree;
}

static bool provider(pb_object *object, const char *protocol, uint32_t n, pb_link *link)
{
    const pb_machine *machine = machine_of(object);

    for (unsigned i = 0; i < machine->parts->len; i++) {
        const machine_part *part = g_ptr_array_index(machine->parts, i);

        for (const pb_port *port = part->class->ports; port && port->name; port++) {
            if (port->role != PB_PROVIDES || strcmp(port->protocol, protocol) != 0 || n-- > 0)
                continue;
            *link = (pb_link){ .iface = port->iface, .self = pb_instance_self(part->instance) };
            return true;
        }
    }
    return false;
}

/* ---- files ----------------------------------------------------------------------------------- */

#define MAX_FILE (UINT64_C(1) << 30) /* bytes of what cannot be mapped, a pipe */

const void *machine_file(pb_machine *machine, const char *path, uint64_t *length, GError **error)
{
    struct stat info;
    GBytes *bytes;
    gsize size;

    if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        GMappedFile *file = g_mapped_file_new(path, FALSE, error);

        if (!file)
            return NULL;
        bytes = g_mapped_file_get_bytes(file);
        g_ptr_array_add(machine->mapped, file);
    } else {
        char *read;

        if (!pb_file_read(path, MAX_FILE, &read, &size, error))
            return NULL;
        bytes = g_bytes_new_take(read, size);
    }
    g_ptr_array_add(machine->files, bytes);
    *length = g_bytes_get_size(bytes);
    return *length > 0 ? g_bytes_get_data(bytes, &size) : "";
}

void machine_rest_files(pb_machine *machine)
{
    for (unsigned i = 0; i < machine->mapped->len; i++) {
        GMappedFile *file = g_ptr_array_index(machine->mapped, i);

        /* Mapped to be read only: what is let go comes back from the file. */
        if (g_mapped_file_get_length(file) > 0)
            madvise(g_mapped_file_get_contents(file), g_mapped_file_get_length(file),
                    MADV_DONTNEED);
    }
}

static const void *file(pb_object *object, const char *path, uint64_t *length, pb_error *error)
{
    GError *failure = NULL;
    const void *bytes = machine_file(machine_of(object), path, length, &failure);

    if (!bytes)
        pass_on(failure, error);
    return bytes;
}

const pb_machine_ops machine_services = {
    .size = sizeof(pb_machine_ops),
    .ram = ram,
    .vcpu_count = vcpu_count,
    .vcpu = vcpu,
    .write = write_memory,
    .claim = claim,
    .device_tree = device_tree,
    .provider = provider,
    .file = file,
    .zero = zero_memory,
};
