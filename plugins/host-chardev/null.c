/*
 * Takes everything, says nothing.
 */
#include "chardev.h"

typedef struct null_backend {
    uint8_t unused;
} null_backend;

static void null_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length) {}
static void null_resume(void *self, uint32_t index) {}

static const pb_stream_iface null_iface = {
    .size = sizeof(null_iface),
    .write = null_write,
    .resume = null_resume,
};

static const pb_port null_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &null_iface, .doc = "The stream" },
    { 0 },
};

static const pb_state null_state[] = {
    PB_TRANSIENT(null_backend, unused, "an instance has a size"),
    { 0 },
};

const pb_class null_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "null",
    .doc = "Output is dropped, no input comes",
    .instance_size = sizeof(null_backend),
    .ports = null_ports,
    .state = null_state,
};
