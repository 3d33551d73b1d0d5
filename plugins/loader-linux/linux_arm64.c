/*
 * Starts Linux, or another program with its boot protocol, on AArch64 boards: Linux
 * Documentation/arm64/booting.rst. Also starts firmware, for which it leaves the device tree at the start of RAM.
 *
 * Where things go: the kernel at the start of RAM (plus text_offset); the initial RAM disk half-way through RAM, but
 * at most 128 MiB in, above the kernel; the device tree above that, on a 2 MiB boundary.
 *
 * With firmware and a kernel, the kernel is offered to the firmware through fw_cfg.
 */
#include "image.h"

#include <patchbay/fw_cfg.h>
#include <patchbay/loader.h>

#include <libfdt.h>
#include <stdlib.h>

#define MIB UINT64_C(0x100000)

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
    const uint8_t *initrd_bytes, *dtb_bytes;
    uint64_t initrd_length, initrd_gpa, dtb_length, dtb_gpa;
    void *tree; /* the device tree file with /chosen filled in */
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

static bool read_dtb(linux_loader *s, pb_error *error)
{
    s->dtb_bytes = s->machine->file(s->self, s->dtb, &s->dtb_length, error);
    if (!s->dtb_bytes)
        return false;
    if (s->dtb_length < sizeof(struct fdt_header) || fdt_magic(s->dtb_bytes) != FDT_MAGIC)
        return pb_fail(error, "%s is not a flattened device tree", s->dtb);
    if (fdt_totalsize(s->dtb_bytes) > s->dtb_length)
        return pb_fail(error, "%s: the header promises %u bytes, the file has %llu: truncated?",
                       s->dtb, fdt_totalsize(s->dtb_bytes), (unsigned long long)s->dtb_length);
    return fdt_check_full(s->dtb_bytes, s->dtb_length) == 0 ||
           pb_fail(error, "%s: the device tree is damaged", s->dtb);
}

/* ---- places ---------------------------------------------------------------------------------------------- */

static bool choose_places(linux_loader *s, uint64_t tree_bytes, pb_error *error)
{
    uint64_t half = s->ram_bytes / 2 < 128 * MIB ? s->ram_bytes / 2 : 128 * MIB;
    uint64_t end = s->ram_base + s->ram_bytes, at = s->ram_base + half;

    if (at < s->image.end)
        at = align_up(s->image.end, 4096);
    s->initrd_gpa = at;
    if (s->initrd_length > end - at)
        return pb_fail(error, "%s (%llu bytes) does not fit into RAM behind the kernel", s->initrd,
                       (unsigned long long)s->initrd_length);
    /* At most 2 MiB, on an 8-byte boundary, in one 2 MiB block (booting.rst, 2). */
    s->dtb_gpa = align_up(at + s->initrd_length, 2 * MIB);
    if (tree_bytes > 2 * MIB || s->dtb_gpa > end || tree_bytes > end - s->dtb_gpa)
        return pb_fail(error, "RAM of %llu bytes has no room for the device tree",
                       (unsigned long long)s->ram_bytes);
    return true;
}

/* ---- the device tree --------------------------------------------------------------------------------------- */

/* The user's own file, with /chosen as the command line says. */
static const void *own_tree(linux_loader *s, uint32_t *length, pb_error *error)
{
    size_t room = s->dtb_length + strlen(s->append) + 512;
    int chosen, failed = 0;

    free(s->tree);
    s->tree = malloc(room);
    if (!s->tree || fdt_open_into(s->dtb_bytes, s->tree, (int)room) < 0) {
        pb_fail(error, "%s: cannot be opened as a device tree", s->dtb);
        return NULL;
    }
    chosen = fdt_path_offset(s->tree, "/chosen");
    if (chosen < 0)
        chosen = fdt_add_subnode(s->tree, 0, "chosen");
    if (*s->append)
        failed |= fdt_setprop_string(s->tree, chosen, "bootargs", s->append);
    if (s->initrd_length) {
        failed |= fdt_setprop_u64(s->tree, chosen, "linux,initrd-start", s->initrd_gpa);
        failed |=
            fdt_setprop_u64(s->tree, chosen, "linux,initrd-end", s->initrd_gpa + s->initrd_length);
    }
    if (chosen < 0 || failed) {
        pb_fail(error, "%s: /chosen cannot be written: %s", s->dtb,
                fdt_strerror(chosen < 0 ? chosen : failed));
        return NULL;
    }
    fdt_pack(s->tree);
    *length = fdt_totalsize(s->tree);
    return s->tree;
}

static const void *make_tree(linux_loader *s, uint32_t *length, pb_error *error)
{
    const char *bootargs = *s->append ? s->append : NULL;
    bool direct = s->kernel && !s->firmware;

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
    /* The tree names where the initial RAM disk is, so places come first; 2 MiB is the most it may have. */
    if (!choose_places(s, 0, error))
        return false;
    tree = make_tree(s, &length, error);
    if (!tree || !choose_places(s, length, error) || !put_kernel(s, error) ||
        !put(s, s->dtb_gpa, tree, length, "the device tree", error))
        return false;
    start(s, s->image.entry, s->dtb_gpa);
    return true;
}

/* ---- fw_cfg -------------------------------------------------------------------------------------------------------- */

static bool offer(const pb_fw_cfg_iface *fw, void *self, uint16_t size_key, uint16_t data_key,
                  const void *bytes, uint64_t length)
{
    uint32_t size = (uint32_t)length; /* little-endian */

    return length <= UINT32_MAX && fw->add_item(self, size_key, &size, sizeof(size)) &&
           fw->add_item(self, data_key, bytes, size);
}

/* Give kernel, initial RAM disk and command line to the firmware. */
static bool offer_kernel(linux_loader *s, pb_error *error)
{
    const pb_fw_cfg_iface *fw;
    uint64_t length;
    const void *bytes;
    pb_link link;

    if (!s->machine->provider(s->self, PB_PROTOCOL_FW_CFG, 0, &link))
        return pb_fail(error, "this machine has no fw-cfg through which firmware could take %s",
                       s->kernel);
    fw = link.iface;
    bytes = s->machine->file(s->self, s->kernel, &length, error);
    if (!bytes)
        return false;
    return (offer(fw, link.self, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, bytes, length) &&
            (!s->initrd_length || offer(fw, link.self, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA,
                                        s->initrd_bytes, s->initrd_length)) &&
            (!*s->append || offer(fw, link.self, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA,
                                  s->append, strlen(s->append) + 1))) ||
           pb_fail(error, "fw-cfg does not take %s", s->kernel);
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
    PB_TRANSIENT(linux_loader, dtb_length, "read from a file"),
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
