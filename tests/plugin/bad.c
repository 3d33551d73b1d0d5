/*
 * Plugins that are wrong, one for each value of BAD; test_bad_plugins.py builds them and expects the error.
 */
#include <patchbay/device.h>

#define NOTHING       0
#define NO_ENTRY      1
#define MAJOR         2
#define ENTRY_SIZE    3
#define ENTRY_SHORT   4
#define ID            5
#define NO_TYPES      6
#define KIND          7
#define CLASS_SIZE    8
#define NO_INSTANCE   9
#define SELF_OUTSIDE  10
#define STATE_OUTSIDE 11
#define STATE_REASON  12
#define STATE_NO_END  13
#define PROP_DEFAULT  14
#define PROP_RANGE    15
#define PROP_WIDTH    16
#define PROP_TWICE    17
#define PORT_HANDLE   18
#define PORT_IFACE    19
#define PORT_NAME     20
#define REG_OUTSIDE   21
#define REG_OVERLAP   22
#define REG_STORE     23
#define REG_RESET     24
#define REG_NOTHING   25
#define REG_HOOK      26
#define FIELD_OUTSIDE 27
#define FIELD_OVERLAP 28
#define CLAIMED_TWICE 29
#define REGION_SIZE   30
#define TYPE_TWICE    31
#define UNDEFINED     32
#define DEPENDENCY    33
#define NOT_UTF8      34

typedef struct bad {
    uint32_t value, other;
    uint32_t setting;
    uint8_t array[4];
    pb_line *irq;
    pb_object *self;
} bad;

#if BAD == UNDEFINED
void nobody_has_this(void);
#elif BAD == DEPENDENCY
void gone(void);
#endif

static void init_anything(void)
{
#if BAD == UNDEFINED
    nobody_has_this();
#elif BAD == DEPENDENCY
    gone();
#endif
}

static bool init(void *self, pb_error *error)
{
    init_anything();
    return true;
}

static void write_hook(void *self, uint64_t old, uint64_t now) {}

static const pb_field fields[] = {
    { "LOW", 0, 4, .doc = "Low" },
    { "HIGH", BAD == FIELD_OVERLAP ? 3 : 4, BAD == FIELD_OUTSIDE ? 32 : 4, .doc = "High" },
    { 0 },
};

static const pb_reg regs[] = {
    { "VALUE", 0, 32, .fields = fields, .reset = BAD == REG_RESET ? UINT64_C(1) << 32 : 0,
      .mode = BAD == REG_HOOK ? PB_RO : PB_RW, .write = BAD == REG_HOOK ? write_hook : NULL,
      .store_offset = BAD == REG_STORE ? sizeof(bad) - 1 : offsetof(bad, value) + 1,
      .store_width = 4, .element = 4, .doc = "Value" },
    { "OTHER",
      BAD == REG_OUTSIDE   ? 0x10
      : BAD == REG_OVERLAP ? 2
                           : 4,
      32, .store_offset = BAD == REG_NOTHING ? 0 : offsetof(bad, other) + 1, .store_width = 4,
      .element = 4, .doc = "Other" },
    { 0 },
};

static const pb_region regions[] = {
    { "regs", PB_REGION_REGS, BAD == REGION_SIZE ? 0 : 0x10, .regs = regs, .doc = "Registers" },
    { 0 },
};

static const pb_prop props[] = {
    { "setting", PB_PROP_UINT, offsetof(bad, setting), BAD == PROP_WIDTH ? 3 : 4,
      BAD == PROP_DEFAULT ? "many" : "5", BAD == PROP_RANGE ? 6 : 1, BAD == PROP_RANGE ? 7 : 10,
      .doc = "Setting" },
#if BAD == PROP_TWICE
    { "setting", PB_PROP_UINT, offsetof(bad, setting), 4, "5", .doc = "Setting" },
#endif
    { 0 },
};

static const pb_port ports[] = {
    { BAD == PORT_NAME ? "setting" : "irq", PB_PROTOCOL_IRQ, PB_REQUIRES,
      .handle_offset = BAD == PORT_HANDLE ? sizeof(bad) : offsetof(bad, irq) + 1,
      .doc = BAD == NOT_UTF8 ? "Interruption \xe0 la fin" : "Interrupt" },
#if BAD == PORT_IFACE
    { "input", PB_PROTOCOL_IRQ, PB_PROVIDES, .doc = "Input without functions" },
#endif
    { 0 },
};

static const pb_state state[] = {
    { .name = "array",
      .kind = BAD == STATE_REASON ? PB_STATE_KIND_TRANSIENT : PB_STATE_KIND_DATA,
      .offset = BAD == CLAIMED_TWICE ? offsetof(bad, other) : offsetof(bad, array),
      .width = BAD == STATE_OUTSIDE ? 4000 : 4,
      .element = 1 },
    { 0 },
};

#if BAD == STATE_NO_END
static pb_state endless[70000];
#endif

static const pb_device_type type = {
    .head = {
        .size = BAD == CLASS_SIZE ? 24 : sizeof(pb_device_type),
        .kind = BAD == KIND ? PB_KIND_LOADER : PB_KIND_DEVICE,
        .name = "bad",
        .doc = "Wrong",
        .instance_size = BAD == NO_INSTANCE ? 0 : sizeof(bad),
        .self_offset = BAD == SELF_OUTSIDE ? sizeof(bad) : offsetof(bad, self) + 1,
        .props = props,
        .ports = ports,
#if BAD == STATE_NO_END
        .state = endless,
#else
        .state = state,
#endif
        .init = init,
    },
    .regions = regions,
};

static const pb_class *const types[] = {
#if BAD != NO_TYPES
    &type.head,
#endif
#if BAD == TYPE_TWICE
    &type.head,
#endif
    NULL,
};

#if BAD == STATE_NO_END
/* A constructor, which no real plugin has, saves writing 70000 rows. */
__attribute__((constructor)) static void fill(void)
{
    for (size_t i = 0; i < PB_ARRAY_SIZE(endless); i++)
        endless[i].name = "x";
}
#endif

#if BAD == ENTRY_SHORT
PB_EXPORT const uint32_t entry __asm__("pb_plugin_entry") = 64;
extern const pb_class *const *use_types;
const pb_class *const *use_types = types;
#elif BAD != NO_ENTRY
PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = BAD == ENTRY_SIZE ? 4096 : sizeof(pb_plugin),
    .abi_major = BAD == MAJOR ? PB_ABI_MAJOR + 1 : PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = BAD == ID ? "dev-good" : "dev-bad",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Wrong",
    .types = types,
};
#else
extern const pb_class *const *use_types;
const pb_class *const *use_types = types;
#endif
