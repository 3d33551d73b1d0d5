/*
 * A push button on a gpio line, such as a board's power button: what the device tree calls gpio-keys.
 *
 * Ports: press (somebody pushes it), out (the line it closes).
 */
#include <patchbay/device.h>

typedef struct gpio_key {
    pb_line *out;
    const char *label;
    uint32_t code;
} gpio_key;

static void press_set(void *self, uint32_t index, bool level)
{
    pb_line_set(((gpio_key *)self)->out, level);
}

static bool gpio_key_fdt(void *self, const pb_fdt_writer *w, pb_error *error)
{
    gpio_key *s = self;
    uint32_t gpios[3] = { 0 }; /* controller, line, flags: active high */

    if (!w->peer(w, "out", 0, &gpios[0], &gpios[1]))
        return true;
    w->begin(w, "key");
    w->string(w, "label", s->label);
    w->cells(w, "linux,code", &s->code, 1);
    w->cells(w, "gpios", gpios, 3);
    w->end(w);
    return true;
}

static const pb_prop gpio_key_props[] = {
    { "label", PB_PROP_STRING, PB_MEMBER(gpio_key, label), "GPIO Key Poweroff",
      .doc = "Name that the guest shows" },
    { "code", PB_PROP_UINT, PB_MEMBER(gpio_key, code), "116", 1, 767,
      .doc = "Linux input event code; 116 is KEY_POWER" },
    { 0 },
};

static const pb_line_iface press_iface = { sizeof(pb_line_iface), press_set };

static const pb_port gpio_key_ports[] = {
    { "press", PB_PROTOCOL_GPIO, PB_PROVIDES, .iface = &press_iface,
      .doc = "High while it is held" },
    { "out", PB_PROTOCOL_GPIO, PB_REQUIRES, PB_HANDLE(gpio_key, out), .doc = "The line it drives" },
    { 0 },
};

static const char *const gpio_key_compatible[] = { "gpio-keys", NULL };
static const pb_fdt_desc gpio_key_desc = {
    .size = sizeof(pb_fdt_desc),
    .node = "gpio-keys",
    .compatible = gpio_key_compatible,
    .extra = gpio_key_fdt,
};

static const pb_device_type gpio_key_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "gpio-key",
              .doc = "Push button on a gpio line",
              .instance_size = sizeof(gpio_key),
              .props = gpio_key_props,
              .ports = gpio_key_ports },
    .fdt = &gpio_key_desc,
    .manual = "Linux Documentation/devicetree/bindings/input/gpio-keys.yaml",
};

static const pb_class *const types[] = { &gpio_key_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-gpio-key",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Push button on a gpio line",
    .types = types,
};
