/* The plugin's entry: transports and devices. */
#include "virtio.h"

static const pb_class *const types[] = {
    &virtio_mmio_type.head,
    &virtio_pci_type.head,
    &virtio_blk_type.head,
    &virtio_net_type.head,
    &virtio_rng_type.head,
    &virtio_console_type.head,
    NULL,
};

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-virtio",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Virtio devices",
    .types = types,
};
