/* The plugin's entry: byte streams over host files, terminals and sockets. */
#include "chardev.h"

static const pb_class *const types[] = { &stdio_class, &file_class,   &pty_class,  &tcp_class,
                                         &unix_class,  &random_class, &null_class, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "host-chardev",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Byte streams over host files, terminals and sockets",
    .types = types,
};
