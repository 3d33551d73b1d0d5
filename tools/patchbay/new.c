/*
 * `patchbay new device NAME`: a folder with a device plugin that builds outside of this tree and
 * passes its own test, to be changed into what is wanted.
 *
 * In the templates @name@ is the name (word-with-dashes), @id@ the same as a C identifier, @TITLE@
 * in capitals.
 */
#include "command.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static const char source[] =
    "/*\n"
    " * @TITLE@: an example to change. MANUAL AND REVISION.\n"
    " *\n"
    " * Ports: irq (high while the count is 0 and the interrupt is enabled).\n"
    " * Not modelled: prescaler.\n"
    " */\n"
    "#include <patchbay/device.h>\n"
    "\n"
    "#define CONTROL_ENABLE 1u\n"
    "\n"
    "typedef struct @id@ {\n"
    "    pb_object *self;\n"
    "    pb_line *irq;\n"
    "    uint32_t control, count;\n"
    "    uint32_t version;\n"
    "} @id@;\n"
    "\n"
    "static void update(@id@ *s)\n"
    "{\n"
    "    pb_line_set(s->irq, (s->control & CONTROL_ENABLE) && s->count == 0);\n"
    "}\n"
    "\n"
    "static void control_write(void *self, uint64_t old, uint64_t now)\n"
    "{\n"
    "    update(self);\n"
    "}\n"
    "\n"
    "/* Each write counts down by one, whatever is written. */\n"
    "static void step_write(void *self, uint64_t old, uint64_t now)\n"
    "{\n"
    "    @id@ *s = self;\n"
    "\n"
    "    if (s->count == 0)\n"
    "        pb_log_guest(s->self, \"STEP was written when COUNT was 0\");\n"
    "    else\n"
    "        s->count--;\n"
    "    update(s);\n"
    "}\n"
    "\n"
    "static uint64_t version_read(void *self)\n"
    "{\n"
    "    return ((@id@ *)self)->version;\n"
    "}\n"
    "\n"
    "static const pb_field control_fields[] = {\n"
    "    { \"ENABLE\", 0, 1, .doc = \"Enable the interrupt\" },\n"
    "    { \"PRESCALE\", 4, 4, .status = PB_UNMODELLED, .doc = \"Divide the clock\" },\n"
    "    { 0 },\n"
    "};\n"
    "\n"
    "static const pb_reg @id@_regs[] = {\n"
    "    { \"CONTROL\", 0x0, 32, PB_STORE(@id@, control), .write_mask = 0xf1, .fields = "
    "control_fields,\n"
    "      .write = control_write, .doc = \"Control\" },\n"
    "    { \"COUNT\", 0x4, 32, PB_STORE(@id@, count), .reset = 2, .doc = \"Steps to go\" },\n"
    "    { \"STEP\", 0x8, 32, .mode = PB_WO, .write = step_write, .doc = \"Go a step\" },\n"
    "    { \"VERSION\", 0xc, 32, .mode = PB_RO, .read = version_read, .doc = \"Version\" },\n"
    "    { 0 },\n"
    "};\n"
    "\n"
    "static const pb_region @id@_regions[] = {\n"
    "    { \"registers\", PB_REGION_REGS, 0x1000, .regs = @id@_regs, .access_max = 4, .doc = "
    "\"Registers\" },\n"
    "    { 0 },\n"
    "};\n"
    "\n"
    "static const pb_prop @id@_props[] = {\n"
    "    { \"version\", PB_PROP_UINT, PB_MEMBER(@id@, version), \"1\", .doc = \"What VERSION reads "
    "as\" },\n"
    "    { 0 },\n"
    "};\n"
    "\n"
    "static const pb_port @id@_ports[] = {\n"
    "    { \"irq\", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(@id@, irq), .optional = true,\n"
    "      .doc = \"Interrupt\" },\n"
    "    { 0 },\n"
    "};\n"
    "\n"
    "static const char *const @id@_compatible[] = { \"example,@name@\", NULL };\n"
    "\n"
    "static const pb_fdt_desc @id@_fdt = {\n"
    "    .size = sizeof(pb_fdt_desc), .node = \"@name@\", .compatible = @id@_compatible,\n"
    "};\n"
    "\n"
    "static const pb_device_type @id@_type = {\n"
    "    .head = { .size = sizeof(pb_device_type), .kind = PB_KIND_DEVICE, .name = \"@name@\",\n"
    "              .doc = \"An example to change\", .instance_size = sizeof(@id@), PB_SELF(@id@, "
    "self),\n"
    "              .props = @id@_props, .ports = @id@_ports },\n"
    "    .regions = @id@_regions, .fdt = &@id@_fdt, .manual = \"MANUAL AND REVISION\",\n"
    "};\n"
    "\n"
    "static const pb_class *const types[] = { &@id@_type.head, NULL };\n"
    "\n"
    "PB_EXPORT const pb_plugin pb_plugin_entry = {\n"
    "    .size = sizeof(pb_plugin), .abi_major = PB_ABI_MAJOR, .abi_minor = PB_ABI_MINOR,\n"
    "    .id = \"dev-@name@\", .version = \"0.1\", .licence = \"MIT\", .doc = \"An example to "
    "change\",\n"
    "    .types = types,\n"
    "};\n";

static const char script[] =
    "# By section of the manual. `make check` runs it.\n"
    "device: { type: @name@, version: 7 }\n"
    "cases:\n"
    "  - case: reset values\n"
    "    steps:\n"
    "      - expect: { CONTROL: 0, COUNT: 2, STEP: 0, VERSION: 7, irq: low }\n"
    "\n"
    "  - case: the interrupt comes with the last step\n"
    "    steps:\n"
    "      - write: { CONTROL: 1, STEP: 1 }\n"
    "      - expect: { COUNT: 1, irq: low }\n"
    "      - write: { STEP: 1 }\n"
    "      - expect: { COUNT: 0, irq: high }\n"
    "      - write: { STEP: 1 }\n"
    "      - expect: { COUNT: 0, log: STEP was written }\n"
    "      - write: { COUNT: 5 }\n"
    "      - write: { STEP: 1 }\n"
    "      - expect: { COUNT: 4, irq: low }\n";

static const char makefile[] =
    "# make          builds the plugin and its manifest\n"
    "# make check    runs its register scripts\n"
    "#\n"
    "# pkg-config must find patchbay: installed, or in a build tree with\n"
    "# PKG_CONFIG_PATH=BUILD/meson-uninstalled in the environment.\n"
    "NAME = dev-@name@\n"
    "CFLAGS ?= -O2 -g\n"
    "WARNINGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers\n"
    "HEADERS ?= $(shell pkg-config --variable=headers patchbay) \\\n"
    "    $(shell pkg-config --variable=generated_headers patchbay)\n"
    "MANIFEST ?= $(shell pkg-config --variable=manifest_tool patchbay)\n"
    "SCRIPT ?= $(shell pkg-config --variable=script_tool patchbay)\n"
    "\n"
    "$(NAME).json: $(NAME).so\n"
    "\t$(MANIFEST) $< $@\n"
    "\n"
    "$(NAME).so: @id@.c\n"
    "\t$(CC) -std=c11 $(CFLAGS) $(WARNINGS) $(addprefix -I,$(HEADERS)) -shared -fPIC "
    "-fvisibility=hidden "
    "\\\n"
    "\t    -Wl,--build-id -o $@ $<\n"
    "\n"
    "check: $(NAME).json\n"
    "\tPATCHBAY_PLUGIN_PATH=.:$$PATCHBAY_PLUGIN_PATH $(SCRIPT) .\n"
    "\n"
    "clean:\n"
    "\trm -f $(NAME).so $(NAME).json\n"
    "\n"
    ".PHONY: check clean\n";

static const char readme[] =
    "# dev-@name@: DEVICE\n"
    "\n"
    "MANUAL AND REVISION. Where the device deviates from it: nowhere that is known.\n"
    "\n"
    "    make check\n"
    "\n"
    "Machines use it as\n"
    "\n"
    "    devices:\n"
    "      @id@0: { type: @name@, at: 0x09080000, irq: \"gic.spi[8]\" }\n"
    "\n"
    "once dev-@name@.so and dev-@name@.json are in a folder of the plugin path: "
    "PATCHBAY_PLUGIN_PATH, or\n"
    "~/.local/share/patchbay/plugins.\n";

static char *identifier(const char *name)
{
    return g_strdelimit(g_strdup(name), "-", '_');
}

static bool write_file(const char *folder, const char *file, const char *template, const char *name,
                       GError **error)
{
    g_autofree char *id = identifier(name);
    g_autofree char *title = g_ascii_strup(name, -1);
    g_autoptr(GString) text = g_string_new(template);
    g_autoptr(GString) path = g_string_new(file);
    g_autofree char *full = NULL;

    g_string_replace(text, "@name@", name, 0);
    g_string_replace(text, "@id@", id, 0);
    g_string_replace(text, "@TITLE@", title, 0);
    g_string_replace(path, "@id@", id, 0);
    full = g_build_filename(folder, path->str, NULL);
    return g_file_set_contents(full, text->str, -1, error);
}

static bool is_good_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= 40 && g_ascii_islower(*name) && name[length - 1] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int new_device(const char *name)
{
    g_autofree char *folder = g_strconcat("dev-", name, NULL);
    g_autoptr(GError) error = NULL;

    if (!is_good_name(name))
        return complain(
            STATUS_USAGE,
            "new: '%s' is no name for a type: small letters, digits and dashes, at most 40", name);
    if (g_mkdir(folder, 0777) != 0)
        return complain(STATUS_USAGE, "new: cannot create the folder '%s': %s", folder,
                        g_strerror(errno));
    if (!write_file(folder, "@id@.c", source, name, &error) ||
        !write_file(folder, "test_@id@.yaml", script, name, &error) ||
        !write_file(folder, "Makefile", makefile, name, &error) ||
        !write_file(folder, "README.md", readme, name, &error))
        return complain(STATUS_FAILED, "new: %s", error->message);
    printf("%s/ is there; now: make -C %s check\n", folder, folder);
    return STATUS_OK;
}

int command_new(int argc, char **argv)
{
    GOptionEntry entries[] = { { 0 } };
    int status;

    if (!parse_options("new", entries, NULL,
                       "Makes the folder dev-NAME here, with a device that builds outside of the "
                       "source tree and "
                       "passes its own test.",
                       &argc, &argv, &status))
        return status;
    if (argc != 3 || strcmp(argv[1], "device") != 0)
        return complain(STATUS_USAGE, "new: 'device' and a name are expected");
    return new_device(argv[2]);
}
