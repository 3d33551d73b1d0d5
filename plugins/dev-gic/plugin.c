/* The plugin's entry: both versions of the controller. */
#include "gic.h"

static const pb_class *const types[] = { &gicv2_type.head, &gicv3_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-gic",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Arm Generic Interrupt Controllers",
    .types = types,
};
