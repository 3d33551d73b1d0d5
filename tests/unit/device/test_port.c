#include "toy.h"

static fake_machine *machine;
static pb_instance *a, *b;

static toy *toy_of(pb_instance *instance)
{
    return pb_instance_self(instance);
}

static void make(void)
{
    machine = toy_machine(&a);
    b = fake_machine_add(machine, &toy_type.head, "other");
    CU_ASSERT_FATAL(pb_instance_set(b, "lines", "1", NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(a, NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(b, NULL));
}

static void drop(void)
{
    fake_machine_free(machine);
}

static pb_port_ref port(pb_instance *instance, const char *text)
{
    pb_port_ref ref = { 0 };

    CU_ASSERT_FATAL(pb_instance_port(instance, text, &ref, NULL));
    return ref;
}

static void no_port(pb_instance *instance, const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    pb_port_ref ref;

    CU_ASSERT(!pb_instance_port(instance, text, &ref, &error));
    CU_ASSERT_STRING_EQUAL(error->message, message);
}

static void names(void)
{
    g_autofree char *text = NULL;
    pb_port_ref ref;

    make();
    ref = port(a, "in[3]");
    text = pb_port_ref_text(&ref);
    CU_ASSERT_STRING_EQUAL(text, "toy.in[3]");
    CU_ASSERT_EQUAL(pb_instance_port_count(a, port(a, "out[1]").port), 2);
    CU_ASSERT_EQUAL(pb_instance_port_count(b, port(b, "out[0]").port), 1);
    no_port(a, "in", "toy: port 'in' has 4 elements: give one, in[0] to in[3]");
    no_port(a, "in[4]", "toy: port 'in' has 4 elements, no [4]");
    no_port(b, "out[1]", "other: port 'out' has 1 element, no [1]");
    no_port(a, "in[x]", "'in[x]' is no element of a port; one is written in[0]");
    no_port(a, "in[1]x", "'in[1]x' is no element of a port; one is written in[0]");
    no_port(a, "serila", "toy has no port 'serila'; did you mean 'serial'?");
    drop();
}

static void refused(const pb_port_ref *x, const pb_port_ref *y, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    CU_ASSERT(!pb_instance_connect(x, y, &error));
    CU_ASSERT_FATAL(error != NULL);
    CU_ASSERT(g_error_matches(error, PB_OBJECT_ERROR, code));
    CU_ASSERT_STRING_EQUAL(error->message, message);
}

static void wrong_pairs(void)
{
    pb_port_ref out, in, serial, other_in;

    make();
    out = port(a, "out[0]");
    in = port(b, "in[0]");
    other_in = port(b, "in[1]");
    serial = port(a, "serial");
    refused(&serial, &in, PB_OBJECT_ERROR_PROTOCOL,
            "toy.serial is a port of protocol char, other.in[0] of protocol irq");
    refused(&in, &other_in, PB_OBJECT_ERROR_ROLE,
            "other.in[0] and other.in[1] both provide protocol irq: one must provide, the other "
            "require");
    CU_ASSERT(pb_instance_connect(&in, &out, NULL));
    refused(&out, &other_in, PB_OBJECT_ERROR_TWICE,
            "toy.out[0] is connected already, to other.in[0]");
    out = port(a, "out[1]");
    refused(&out, &in, PB_OBJECT_ERROR_TWICE, "other.in[0] is connected already, to toy.out[0]");
    drop();
}

static void levels(void)
{
    pb_port_ref out, in, peer;
    toy *driver, *reader;

    make();
    out = port(a, "out[1]");
    in = port(b, "in[2]");
    driver = toy_of(a);
    reader = toy_of(b);
    CU_ASSERT(pb_instance_connect(&out, &in, NULL));
    CU_ASSERT_PTR_NULL(driver->out[0]);
    pb_line_set(driver->out[0], true);
    pb_line_set(driver->out[1], true);
    CU_ASSERT_EQUAL(reader->inputs, 4);
    pb_line_pulse(driver->out[1]);
    CU_ASSERT_EQUAL(reader->inputs, 0);
    CU_ASSERT(pb_instance_peer(&in, &peer));
    CU_ASSERT_PTR_EQUAL(peer.instance, a);
    CU_ASSERT_EQUAL(peer.index, 1);
    CU_ASSERT_PTR_EQUAL(reader->input_peer.self, driver);
    CU_ASSERT_EQUAL(reader->input_peer.index, 1);
    drop();
}

static void splitter(void)
{
    pb_port_ref out, one, two, three;
    toy *reader;

    make();
    out = port(a, "out[0]");
    one = port(b, "in[0]");
    two = port(b, "in[1]");
    three = port(a, "in[3]");
    reader = toy_of(b);
    CU_ASSERT(pb_instance_split(&out, &one, NULL));
    CU_ASSERT(pb_instance_split(&out, &two, NULL));
    CU_ASSERT(pb_instance_split(&out, &three, NULL));
    CU_ASSERT(!pb_instance_split(&out, &three, NULL));
    pb_line_set(toy_of(a)->out[0], true);
    CU_ASSERT_EQUAL(reader->inputs, 3);
    CU_ASSERT_EQUAL(toy_of(a)->inputs, 8);
    reader->inputs = 0; /* as a reset does */
    pb_instance_settle_lines(a);
    CU_ASSERT_EQUAL(reader->inputs, 3);
    drop();
}

static void open_ports(void)
{
    g_autoptr(GError) error = NULL;

    make();
    CU_ASSERT(!pb_instance_init(a, &error));
    CU_ASSERT_STRING_EQUAL(error->message,
                           "toy.clock is not connected; it requires protocol clock");
    CU_ASSERT(g_error_matches(error, PB_OBJECT_ERROR, PB_OBJECT_ERROR_REQUIRED));
    drop();
}

static void given(void)
{
    pb_port_ref clock, serial;
    pb_clock handle = { 0 };

    make();
    clock = port(a, "clock");
    serial = port(a, "serial");
    CU_ASSERT(pb_instance_give(&clock, &handle, NULL));
    CU_ASSERT_PTR_EQUAL(toy_of(a)->clock, &handle);
    CU_ASSERT(!pb_instance_give(&clock, &handle, NULL));
    CU_ASSERT(!pb_instance_give(&serial, &handle, NULL));
    drop();
}

static void init_refuses(void)
{
    g_autoptr(GError) error = NULL;
    fake_machine *m = toy_machine(&a);

    CU_ASSERT(pb_instance_set(a, "small", "13", NULL));
    CU_ASSERT(pb_instance_settle_properties(a, NULL));
    CU_ASSERT(!fake_machine_start(m, false, &error));
    CU_ASSERT_STRING_EQUAL(error->message, "toy: 13 is not welcome");
    fake_machine_free(m);
}

int main(void)
{
    static const unit_case cases[] = {
        { "names", names },
        { "wrong pairs", wrong_pairs },
        { "levels", levels },
        { "splitter", splitter },
        { "open ports", open_ports },
        { "given", given },
        { "init refuses", init_refuses },
        { 0 },
    };

    return unit_run("port", cases);
}
