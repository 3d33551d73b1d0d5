#include "toy.h"

typedef struct side {
    fake_machine *machine;
    pb_instance *instance;
    toy *s;
} side;

static side make(const char *property, const char *value)
{
    side x;

    x.machine = toy_machine(&x.instance);
    CU_ASSERT_FATAL(!property || pb_instance_set(x.instance, property, value, NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(x.instance, NULL));
    CU_ASSERT_FATAL(fake_machine_start(x.machine, false, NULL));
    x.s = pb_instance_self(x.instance);
    return x;
}

static GVariant *save(const side *x)
{
    return g_variant_ref_sink(pb_instance_save(x->instance));
}

static void round_trip(void)
{
    side a = make(NULL, NULL), b = make(NULL, NULL);
    g_autoptr(GVariant) first = NULL;
    g_autoptr(GVariant) second = NULL;

    a.s->plain = 0xdead;
    a.s->row[1] = 0xbeef;
    a.s->data[3] = 9;
    a.s->buffer[15] = 7;
    pb_timer_set(a.s->timer, 12345);
    pb_line_set(a.s->out[1], true);
    first = save(&a);
    CU_ASSERT(pb_instance_load(b.instance, first, NULL));
    CU_ASSERT_EQUAL(b.s->plain, 0xdead);
    CU_ASSERT_EQUAL(b.s->row[1], 0xbeef);
    CU_ASSERT_EQUAL(b.s->data[3], 9);
    CU_ASSERT_EQUAL(b.s->buffer[15], 7);
    CU_ASSERT_EQUAL(b.s->timer->deadline_ns, 12345);
    CU_ASSERT(b.s->out[1]->level && !b.s->out[0]->level);
    CU_ASSERT_EQUAL(b.s->loads, 1);
    second = save(&b);
    CU_ASSERT(g_variant_equal(first, second));
    fake_machine_advance(b.machine, 12345, 10);
    CU_ASSERT_EQUAL(b.s->expiries, 1);
    fake_machine_free(a.machine);
    fake_machine_free(b.machine);
}

static void refuses(const side *x, GVariant *state, const char *message)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(state);
    g_autoptr(GError) error = NULL;

    CU_ASSERT(!pb_instance_load(x->instance, owned, &error));
    CU_ASSERT_FATAL(error != NULL);
    CU_ASSERT(g_error_matches(error, PB_OBJECT_ERROR, PB_OBJECT_ERROR_STATE));
    CU_ASSERT_STRING_EQUAL(error->message, message);
}

/* The saved state with one field changed: left out (keep false), renamed, or of another width. */
static GVariant *tamper(const side *x, const char *field, bool keep, const char *rename,
                        guint32 width)
{
    g_autoptr(GVariant) state = save(x);
    g_autoptr(GVariant) list = g_variant_get_child_value(state, 2);
    GVariantBuilder builder;
    const char *type;
    guint32 version;

    g_variant_get(state, "(&sua(ssuuay))", &type, &version, NULL);
    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssuuay)"));
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        g_autoptr(GVariant) bytes = g_variant_get_child_value(entry, 4);
        const char *name, *kind;
        guint32 w, element;

        g_variant_get(entry, "(&s&suuay)", &name, &kind, &w, &element, NULL);
        if (strcmp(name, field) != 0)
            g_variant_builder_add_value(&builder, entry);
        else if (keep)
            g_variant_builder_add(&builder, "(ssuu@ay)", rename ? rename : name, kind,
                                  width ? width : w, element, bytes);
    }
    return g_variant_new("(sua(ssuuay))", type, version, &builder);
}

static void mismatches(void)
{
    side x = make(NULL, NULL), other = make("small", "4");
    g_autoptr(GVariant) state = save(&other);

    refuses(&x, tamper(&x, "data", false, NULL, 0), "toy: the saved state has no data 'data'");
    refuses(&x, tamper(&x, "regs.PLAIN", true, "regs.PLANE", 0),
            "toy: the saved state has no register 'regs.PLAIN'");
    refuses(&x, tamper(&x, "data", true, NULL, 9),
            "toy: data 'data' was saved with 9 bytes in elements of 1, it has 8 of 1");
    refuses(&x, state, "toy: property 'small' was 4 when the state was saved, it is 3 now");
    refuses(&x, g_variant_new("(sua(ssuuay))", "pl011", 1, NULL),
            "toy: the saved state is of type pl011, the machine has a toy");
    refuses(&x, g_variant_new("(sua(ssuuay))", "toy", 77, NULL),
            "toy: the saved state has version 0x4d, this program reads 0x1");
    refuses(&x, g_variant_new_string("x"), "toy: the saved state is damaged");
    CU_ASSERT_EQUAL(x.s->loads, 0);
    x.s->data[0] = 0xff;
    refuses(&x, pb_instance_save(x.instance), "toy: data is 0xff");
    fake_machine_free(x.machine);
    fake_machine_free(other.machine);
}

/* Whatever bytes a file may hold, loading ends with an error or a state. */
static void damaged(void)
{
    side x = make(NULL, NULL);
    g_autoptr(GVariant) state = save(&x);
    gsize length = g_variant_get_size(state);
    g_autofree guint8 *bytes = g_malloc(length);
    uint64_t random = 1;

    for (unsigned round = 0; round < 2000; round++) {
        g_autoptr(GVariant) wrong = NULL;
        g_autoptr(GBytes) data = NULL;

        memcpy(bytes, g_variant_get_data(state), length);
        for (unsigned i = 0; i <= round % 4; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[(random >> 33) % length] ^= (guint8)(1u << (random >> 60 & 7));
        }
        data = g_bytes_new(bytes, length - round % 3);
        wrong = g_variant_ref_sink(
            g_variant_new_from_bytes(G_VARIANT_TYPE(PB_STATE_FORMAT), data, FALSE));
        pb_instance_load(x.instance, wrong, NULL);
    }
    CU_ASSERT(pb_instance_load(x.instance, state, NULL));
    fake_machine_free(x.machine);
}

static void comparing(void)
{
    side a = make(NULL, NULL), b = make(NULL, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GVariant) first = NULL;
    g_autoptr(GVariant) second = NULL;

    b.s->plain = 1;
    b.s->data[1] = 2;
    first = save(&a);
    second = save(&b);
    CU_ASSERT_EQUAL(pb_state_compare(first, first, "toy", NULL), 0);
    CU_ASSERT_EQUAL(pb_state_compare(first, second, "toy", text), 2);
    CU_ASSERT_STRING_EQUAL(text->str,
                           "toy: data data: 00 00 00 00 00 00 00 00 / 00 02 00 00 00 00 00 00\n"
                           "toy: register regs.PLAIN: 0x12345678 / 0x00000001\n");
    fake_machine_free(a.machine);
    fake_machine_free(b.machine);
}

static char *digest(const side *x)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

    pb_instance_hash(x->instance, checksum);
    return g_strdup(g_checksum_get_string(checksum));
}

static void printing_and_hashing(void)
{
    side a = make(NULL, NULL), b = make(NULL, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *hash_a = digest(&a);
    g_autofree char *hash_b = digest(&b);
    g_autofree char *hash_c = NULL;

    CU_ASSERT_STRING_EQUAL(hash_a, hash_b);
    b.s->mixed = 0x21;
    hash_c = digest(&b);
    CU_ASSERT_STRING_NOT_EQUAL(hash_a, hash_c);
    pb_instance_print(b.instance, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text->str, "\nregs.PLAIN = 0x12345678\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text->str, "\nregs.MIXED = 0x00000021  (RW=1 RO=2 W1C=0 W1S=0 WO=0 RC=0 RAZ=0 GAP=0)\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text->str, "\nregs.ROW = 0007 0007 0007 0007\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text->str, "\ntimer = off\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text->str, "window = 64KiB\n"));
    fake_machine_free(a.machine);
    fake_machine_free(b.machine);
}

int main(void)
{
    static const unit_case cases[] = {
        { "round trip", round_trip },
        { "mismatches", mismatches },
        { "damaged", damaged },
        { "comparing", comparing },
        { "printing and hashing", printing_and_hashing },
        { 0 },
    };

    return unit_run("state", cases);
}
