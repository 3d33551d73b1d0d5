/*
 * Starts Linux, or another program with its boot protocol, on AArch64 boards: Linux
 * Documentation/arm64/booting.rst. Also starts firmware, for which it leaves the device tree at the start of RAM.
 *
 * Where things go: the kernel at the start of RAM (plus text_offset), or where its ELF file says; the initial RAM disk
 * above half of RAM, or above 128 MiB if that is less; the device tree above that, on a 2 MiB boundary. Where that is taken,
 * the lowest place that is free.
 *
 * With firmware and a kernel, the kernel is offered to the firmware through fw_cfg.
 */
#include "image.h"

#include <patchbay/fw_cfg.h>
#include <patchbay/loader.h>

#include <libfdt.h>
#include <stdlib.h>

#define MIB        UINT64_C(0x100000)
#define PAGE_BYTES 4096u
#define TREE_BYTES (2u << 20) /* the most that a device tree may have (booting.rst, 2) */

/* Selector keys by which firmware finds a kernel (qemu_fw_cfg.h). */
enum {
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15
};

typedef struct linux_loader {
    pb_object *self;
    const char *kernel, *initrd, *append, *dtb, *firmware;
    uint64_t raw_address, firmware_address;
    const pb_machine_ops *machine;
    uint64_t ram_base, ram_bytes;
    image image;
    const uint8_t *initrd_bytes;
    uint64_t initrd_length, initrd_gpa, dtb_gpa;
    void *dtb_bytes; /* the device tree file */
    void *tree;      /* the same with /chosen filled in */
} linux_loader;

static uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* ---- files -------------------------------------------------------------------------------------------- */

static bool read_kernel(linux_loader *s, pb_error *error)
{
    const image_options options = { s->ram_base, s->ram_bytes, s->raw_address };
    uint64_t length;
    const uint8_t *bytes = s->machine->file(s->self, s->kernel, &length, error);

    return bytes && image_examine(&s->image, bytes, length, s->kernel, &options, error);
}

static bool read_initrd(linux_loader *s, pb_error *error)
{
    s->initrd_bytes = s->machine->file(s->self, s->initrd, &s->initrd_length, error);
    if (!s->initrd_bytes)
        return false;
    return s->initrd_length || pb_fail(error, "%s is empty", s->initrd);
}

static bool check_dtb(const linux_loader *s, const void *bytes, uint64_t length, pb_error *error)
{
    int result;

    if (length < sizeof(struct fdt_header) || fdt_magic(bytes) != FDT_MAGIC)
        return pb_fail(error, "%s is not a flattened device tree", s->dtb);
    if (fdt_totalsize(bytes) > TREE_BYTES)
        return pb_fail(error, "%s has %u bytes by its header: a device tree has at most %u", s->dtb,
                       fdt_totalsize(bytes), TREE_BYTES);
    if (fdt_totalsize(bytes) > length)
        return pb_fail(error, "%s: the header promises %u bytes, the file has %llu: truncated?",
                       s->dtb, fdt_totalsize(bytes), image_ull(length));
    result = fdt_check_full(bytes, length);
    return result == 0 ||
           pb_fail(error, "%s: the device tree is damaged: %s", s->dtb, fdt_strerror(result));
}

/* A copy, because it is looked into at every reset, and the file may be another by then. */
static bool read_dtb(linux_loader *s, pb_error *error)
{
    uint64_t length;
    const void *bytes = s->machine->file(s->self, s->dtb, &length, error);

    if (!bytes || !check_dtb(s, bytes, length, error))
        return false;
    s->dtb_bytes = malloc(fdt_totalsize(bytes));
    if (!s->dtb_bytes)
        return pb_fail(error, "out of memory");
    memcpy(s->dtb_bytes, bytes, fdt_totalsize(bytes));
    return true;
}

/* ---- places ---------------------------------------------------------------------------------------------- */

#define NOWHERE UINT64_MAX

static bool overlaps(uint64_t at, uint64_t bytes, uint64_t other, uint64_t other_bytes)
{
    return at < other + other_bytes && other < at + bytes;
}

/* The end of something that is at least in part in the range; 0: the range is free. */
static uint64_t end_of_what_is_there(const linux_loader *s, uint64_t at, uint64_t bytes)
{
    for (uint32_t i = 0; i < s->image.n_segments; i++) {
        const image_segment *segment = &s->image.segments[i];

        if (overlaps(at, bytes, segment->gpa, segment->memory_bytes))
            return segment->gpa + segment->memory_bytes;
    }
    if (s->initrd_gpa != NOWHERE && overlaps(at, bytes, s->initrd_gpa, s->initrd_length))
        return s->initrd_gpa + s->initrd_length;
    return 0;
}

/* The lowest place in RAM, at an offset or above, that is free. */
static uint64_t find_place(const linux_loader *s, uint64_t offset, uint64_t bytes,
                           uint64_t boundary)
{
    uint64_t at = align_up(s->ram_base + offset, boundary);

    while (at >= s->ram_base && at - s->ram_base <= s->ram_bytes &&
           bytes <= s->ram_bytes - (at - s->ram_base)) {
        uint64_t end = end_of_what_is_there(s, at, bytes);

        if (!end)
            return at;
        at = align_up(end, boundary); /* always higher */
    }
    return NOWHERE;
}

/* Away from the kernel, which decompresses and allocates behind itself; where RAM is tight, anywhere. */
static uint64_t preferred_offset(const linux_loader *s)
{
    return s->ram_bytes / 2 < 128 * MIB ? s->ram_bytes / 2 : 128 * MIB;
}

static bool place_initrd(linux_loader *s, pb_error *error)
{
    s->initrd_gpa = NOWHERE;
    if (!s->initrd_length)
        return true;
    s->initrd_gpa = find_place(s, preferred_offset(s), s->initrd_length, PAGE_BYTES);
    if (s->initrd_gpa == NOWHERE)
        s->initrd_gpa = find_place(s, 0, s->initrd_length, PAGE_BYTES);
    return s->initrd_gpa != NOWHERE ||
           pb_fail(error, "%s (%llu bytes) does not fit into RAM of %llu bytes beside the kernel",
                   s->initrd, image_ull(s->initrd_length), image_ull(s->ram_bytes));
}

/* On a boundary of 2 MiB, as older kernels map the block that it is in; those that do not care get it anywhere. */
static bool place_tree(linux_loader *s, uint64_t bytes, pb_error *error)
{
    uint64_t offset = s->initrd_gpa == NOWHERE ? preferred_offset(s)
                                               : s->initrd_gpa + s->initrd_length - s->ram_base;

    s->dtb_gpa = find_place(s, offset, bytes, 2 * MIB);
    if (s->dtb_gpa == NOWHERE)
        s->dtb_gpa = find_place(s, 0, bytes, 2 * MIB);
    if (s->dtb_gpa == NOWHERE)
        s->dtb_gpa = find_place(s, 0, bytes, PAGE_BYTES);
    return s->dtb_gpa != NOWHERE ||
           pb_fail(error,
                   "the device tree (%llu bytes) does not fit into RAM of %llu bytes beside the "
                   "kernel",
                   image_ull(bytes), image_ull(s->ram_bytes));
}

/* ---- the device tree --------------------------------------------------------------------------------------- */

static int drop(void *tree, int node, const char *name)
{
    int result = fdt_delprop(tree, node, name);

    return result == -FDT_ERR_NOTFOUND ? 0 : result;
}

/* The kernel is started by us, not by firmware. */
static bool is_direct(const linux_loader *s)
{
    return s->kernel && !s->firmware;
}

/* Where the initial RAM disk is; a tree from another machine may name one that is not there. */
static int write_initrd(const linux_loader *s, void *tree, int node)
{
    int result;

    if (!s->initrd_length) {
        result = drop(tree, node, "linux,initrd-start");
        return result ? result : drop(tree, node, "linux,initrd-end");
    }
    result = fdt_setprop_u64(tree, node, "linux,initrd-start", s->initrd_gpa);
    return result
               ? result
               : fdt_setprop_u64(tree, node, "linux,initrd-end", s->initrd_gpa + s->initrd_length);
}

/* /chosen as the command line says: 0, or the first error of libfdt. */
static int write_chosen(const linux_loader *s, void *tree)
{
    int node, result;

    if (!is_direct(s))
        return 0;
    node = fdt_path_offset(tree, "/chosen");
    if (node == -FDT_ERR_NOTFOUND)
        node = fdt_add_subnode(tree, 0, "chosen");
    if (node < 0)
        return node;
    result = *s->append ? fdt_setprop_string(tree, node, "bootargs", s->append) : 0;
    return result ? result : write_initrd(s, tree, node);
}

/* The user's own file, with another /chosen. */
static const void *own_tree(linux_loader *s, uint32_t *length, pb_error *error)
{
    size_t room = fdt_totalsize(s->dtb_bytes) + strlen(s->append) + 512;
    int result;

    free(s->tree);
    s->tree = malloc(room);
    if (!s->tree) {
        pb_fail(error, "out of memory");
        return NULL;
    }
    result = fdt_open_into(s->dtb_bytes, s->tree, (int)room);
    if (!result)
        result = write_chosen(s, s->tree);
    if (!result)
        result = fdt_pack(s->tree);
    if (result) {
        pb_fail(error, "%s: /chosen cannot be written: %s", s->dtb, fdt_strerror(result));
        return NULL;
    }
    *length = fdt_totalsize(s->tree);
    return s->tree;
}

static const void *make_tree(linux_loader *s, uint32_t *length, pb_error *error)
{
    const char *bootargs = *s->append ? s->append : NULL;
    bool direct = is_direct(s);

    if (s->dtb)
        return own_tree(s, length, error);
    return s->machine->device_tree(s->self, direct ? bootargs : NULL,
                                   direct && s->initrd_length ? s->initrd_gpa : 0,
                                   direct ? s->initrd_length : 0, length, error);
}

/* ---- placing ---------------------------------------------------------------------------------------------------- */

static bool put(linux_loader *s, uint64_t gpa, const void *bytes, uint64_t length, const char *what,
                pb_error *error)
{
    return s->machine->claim(s->self, gpa, length, what, error) &&
           s->machine->write(s->self, gpa, bytes, length, what, error);
}

static bool put_kernel(linux_loader *s, pb_error *error)
{
    for (uint32_t i = 0; i < s->image.n_segments; i++) {
        const image_segment *segment = &s->image.segments[i];

        if (!s->machine->claim(s->self, segment->gpa, segment->memory_bytes, s->kernel, error) ||
            !s->machine->write(s->self, segment->gpa, segment->bytes, segment->file_bytes,
                               s->kernel, error) ||
            /* RAM still holds the last run's data after a reset. */
            !s->machine->zero(s->self, segment->gpa + segment->file_bytes,
                              segment->memory_bytes - segment->file_bytes, s->kernel, error))
            return false;
    }
    return !s->initrd_length ||
           put(s, s->initrd_gpa, s->initrd_bytes, s->initrd_length, s->initrd, error);
}

static void start(linux_loader *s, uint64_t pc, uint64_t x0)
{
    const uint64_t arguments[4] = { x0 };
    pb_vcpu *vcpu = s->machine->vcpu(s->self, 0);

    vcpu->type->boot(vcpu, pc, arguments);
}

static bool place(void *self, pb_error *error)
{
    linux_loader *s = self;
    const void *tree;
    uint32_t length;

    /* Not asked before: a machine that goes on from a snapshot may have neither. */
    if (!s->kernel && !s->firmware)
        return pb_fail(error, "nothing to run: give a kernel (--kernel) or firmware (--firmware)");
    if (s->firmware) {
        tree = make_tree(s, &length, error);
        if (!tree || !put(s, s->ram_base, tree, length, "the device tree", error))
            return false;
        start(s, s->firmware_address, s->ram_base);
        return true;
    }
    if (!place_initrd(s, error)) /* before the tree, which names the place */
        return false;
    tree = make_tree(s, &length, error);
    if (!tree || !place_tree(s, length, error) || !put_kernel(s, error) ||
        !put(s, s->dtb_gpa, tree, length, "the device tree", error))
        return false;
    start(s, s->image.entry, s->dtb_gpa);
    return true;
}

/* ---- fw_cfg -------------------------------------------------------------------------------------------------------- */

/* `what` names it in errors. */
static bool offer(linux_loader *s, const pb_link *fw, uint16_t size_key, uint16_t data_key,
                  const void *bytes, uint64_t length, const char *what, pb_error *error)
{
    const pb_fw_cfg_iface *iface = fw->iface;
    uint32_t size = (uint32_t)length; /* little-endian */

    if (length > UINT32_MAX)
        return pb_fail(error, "%s has %llu bytes: fw-cfg takes less than 4 GiB", what,
                       image_ull(length));
    return (iface->add_item(fw->self, size_key, &size, sizeof(size)) &&
            iface->add_item(fw->self, data_key, bytes, size)) ||
           pb_fail(error, "fw-cfg has no memory for %s (%llu bytes)", what, image_ull(length));
}

/* Give kernel, initial RAM disk and command line to the firmware. */
static bool offer_kernel(linux_loader *s, pb_error *error)
{
    uint64_t length;
    const void *bytes;
    pb_link fw;

    if (!s->machine->provider(s->self, PB_PROTOCOL_FW_CFG, 0, &fw))
        return pb_fail(error, "this machine has no fw-cfg through which firmware could take %s",
                       s->kernel);
    bytes = s->machine->file(s->self, s->kernel, &length, error);
    if (!bytes)
        return false;
    if (length == 0)
        return pb_fail(error, "%s is empty", s->kernel);
    if (!offer(s, &fw, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, bytes, length, s->kernel, error))
        return false;
    if (s->initrd_length && !offer(s, &fw, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, s->initrd_bytes,
                                   s->initrd_length, s->initrd, error))
        return false;
    return !*s->append || offer(s, &fw, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, s->append,
                                strlen(s->append) + 1, "the command line", error);
}

/* ---- class ------------------------------------------------------------------------------------------------------------ */

static bool prepare(void *self, pb_error *error)
{
    linux_loader *s = self;

    s->machine = pb_extension(s->self, PB_EXTENSION_MACHINE);
    if (!s->machine)
        return pb_fail(error, "the host offers no %s", PB_EXTENSION_MACHINE);
    if (!PB_HAS(s->machine, zero))
        return pb_fail(error, "the host is older than this loader: its %s cannot write zeros",
                       PB_EXTENSION_MACHINE);
    if (!s->machine->ram(s->self, 0, &s->ram_base, &s->ram_bytes))
        return pb_fail(error, "the machine has no RAM");
    if (!s->machine->vcpu_count(s->self) || !s->machine->vcpu(s->self, 0)->type->boot)
        return pb_fail(error, "the machine has no processor that this loader can start");
    if (!s->kernel && s->initrd)
        return pb_fail(error, "%s is given without a kernel", s->initrd);
    if ((s->initrd && !read_initrd(s, error)) || (s->dtb && !read_dtb(s, error)))
        return false;
    if (s->kernel && s->firmware)
        return offer_kernel(s, error);
    return !s->kernel || read_kernel(s, error);
}

static void finish(void *self)
{
    linux_loader *s = self;

    free(s->image.inflated);
    free(s->dtb_bytes);
    free(s->tree);
}

static const pb_prop linux_props[] = {
    { "kernel", PB_PROP_PATH, PB_MEMBER(linux_loader, kernel), "",
      .doc = "arm64 Image, ELF file, gzip of one, or raw image with raw-address" },
    { "initrd", PB_PROP_PATH, PB_MEMBER(linux_loader, initrd), "", .doc = "Initial RAM disk" },
    { "append", PB_PROP_STRING, PB_MEMBER(linux_loader, append), "", .doc = "Kernel command line" },
    { "dtb", PB_PROP_PATH, PB_MEMBER(linux_loader, dtb), "",
      .doc = "Device tree to use instead of the machine's own" },
    { "firmware", PB_PROP_PATH, PB_MEMBER(linux_loader, firmware), "",
      .doc = "The board has firmware (in its flash): start there" },
    { "firmware-address", PB_PROP_UINT, PB_MEMBER(linux_loader, firmware_address), "0",
      .doc = "First instruction of the firmware" },
    { "raw-address", PB_PROP_UINT, PB_MEMBER(linux_loader, raw_address), "0xffffffffffffffff",
      .doc = "Where a kernel without a known header goes and starts; all ones: refuse it" },
    { 0 },
};

static const pb_state linux_state[] = {
    PB_TRANSIENT(linux_loader, machine, "host services"),
    PB_TRANSIENT(linux_loader, ram_base, "of the machine"),
    PB_TRANSIENT(linux_loader, ram_bytes, "of the machine"),
    PB_TRANSIENT(linux_loader, image, "read from files"),
    PB_TRANSIENT(linux_loader, initrd_bytes, "read from a file"),
    PB_TRANSIENT(linux_loader, dtb_bytes, "read from a file"),
    PB_TRANSIENT(linux_loader, initrd_length, "read from a file"),
    PB_TRANSIENT(linux_loader, initrd_gpa, "computed at every reset"),
    PB_TRANSIENT(linux_loader, dtb_gpa, "computed at every reset"),
    PB_TRANSIENT(linux_loader, tree, "made at every reset"),
    { 0 },
};

static const pb_loader_type arm64_type = {
    .head = { .size = sizeof(pb_loader_type),
              .kind = PB_KIND_LOADER,
              .name = "arm64",
              .doc = "Linux boot protocol of AArch64, and firmware",
              .instance_size = sizeof(linux_loader),
              PB_SELF(linux_loader, self),
              .props = linux_props,
              .state = linux_state,
              .finish = finish },
    .prepare = prepare,
    .place = place,
};

static const pb_class *const types[] = { &arm64_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "loader-linux",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Linux boot protocols",
    .types = types,
};
