/* Control flow: calls and returns, calls through pointers, interpreters of byte code. */
#include "bench.h"

uint64_t kernel_fibonacci(uint64_t rounds);
uint64_t kernel_tak(uint64_t rounds);
uint64_t kernel_tree(uint64_t rounds);
uint64_t kernel_objects(uint64_t rounds);
uint64_t kernel_compare(uint64_t rounds);
uint64_t kernel_switch(uint64_t rounds);
uint64_t kernel_goto(uint64_t rounds);

static NOINLINE uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

uint64_t kernel_fibonacci(uint64_t rounds)
{
    uint64_t sum = 0;

    while (rounds--)
        sum = sum * 3 + fibonacci(20);
    return sum;
}

static NOINLINE int64_t tak(int64_t x, int64_t y, int64_t z)
{
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

uint64_t kernel_tak(uint64_t rounds)
{
    uint64_t sum = 0;

    while (rounds--)
        sum = sum * 3 + (uint64_t)tak(14, 7, 1);
    return sum;
}

struct node {
    struct node *left, *right;
    uint64_t key;
};

static NOINLINE struct node *insert(struct node *root, struct node *node)
{
    if (!root)
        return node;
    if (node->key < root->key)
        root->left = insert(root->left, node);
    else
        root->right = insert(root->right, node);
    return root;
}

static NOINLINE uint64_t walk(const struct node *node)
{
    return node ? walk(node->left) * 3 + walk(node->right) * 5 + node->key : 1;
}

uint64_t kernel_tree(uint64_t rounds)
{
    static struct node nodes[1000];
    uint64_t sum = 0;

    while (rounds--) {
        struct node *root = NULL;

        for (int i = 0; i < 1000; i++) {
            nodes[i] = (struct node){ .key = bench_random() };
            root = insert(root, &nodes[i]);
        }
        for (int i = 0; i < 10; i++)
            sum += walk(root);
    }
    return sum;
}

/* Methods of objects of eight kinds, in an order that is hard to guess. */
struct object {
    uint64_t (*method)(struct object *object, uint64_t argument);
    uint64_t state;
};

#define METHOD(name, expression)                                            \
    static NOINLINE uint64_t name(struct object *object, uint64_t argument) \
    {                                                                       \
        object->state = (expression);                                       \
        return object->state;                                               \
    }
METHOD(method_add, object->state + argument)
METHOD(method_subtract, object->state - argument)
METHOD(method_xor, object->state ^ argument)
METHOD(method_rotate, argument + (object->state << 5 | object->state >> 59))
METHOD(method_multiply, object->state * 7 + argument)
METHOD(method_shift, object->state + (argument >> 3))
METHOD(method_choose, argument & 1 ? object->state : ~object->state)
METHOD(method_and, (object->state & argument) + 3)

uint64_t kernel_objects(uint64_t rounds)
{
    static uint64_t (*const methods[8])(struct object *, uint64_t) = {
        method_add,      method_subtract, method_xor,    method_rotate,
        method_multiply, method_shift,    method_choose, method_and,
    };
    static struct object objects[256];
    uint64_t sum = 0;

    for (int i = 0; i < 256; i++)
        objects[i] = (struct object){ methods[bench_random() >> 61], bench_random() };
    while (rounds--)
        for (int i = 0; i < 256; i++)
            sum += objects[i].method(&objects[i], sum);
    return sum;
}

static NOINLINE int compare_up(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static NOINLINE int compare_down(const void *a, const void *b)
{
    return compare_up(b, a);
}

/* Heap sort, with the order given by a function, as qsort(). */
static NOINLINE void sort_by(uint32_t *a, int n, int (*compare)(const void *, const void *))
{
    for (int end = n, start = n / 2; end > 1;) {
        int root = start > 0 ? --start : -1;

        if (root < 0) {
            uint32_t t = a[--end];

            a[end] = a[0];
            a[0] = t;
            root = 0;
        }
        for (int child; (child = 2 * root + 1) < end; root = child) {
            uint32_t t = a[root];

            if (child + 1 < end && compare(&a[child], &a[child + 1]) < 0)
                child++;
            if (compare(&t, &a[child]) >= 0)
                break;
            a[root] = a[child];
            a[child] = t;
        }
    }
}

uint64_t kernel_compare(uint64_t rounds)
{
    static uint32_t a[2000];
    uint64_t sum = 0;

    while (rounds--) {
        bench_fill(a, sizeof(a));
        sort_by(a, 2000, rounds & 1 ? compare_up : compare_down);
        sum = bench_sum(sum, a, sizeof(a));
    }
    return sum;
}

/* A machine with sixteen registers; the program computes a checksum with a loop, conditions and a table. */
enum {
    OP_LOAD,
    OP_ADD,
    OP_SUB,
    OP_XOR,
    OP_MUL,
    OP_SHR,
    OP_AND,
    OP_MOVE,
    OP_GET,
    OP_PUT,
    OP_LOOP,
    OP_SKIP,
    OP_END
};

struct code {
    uint8_t op, to, a, b;
};

static const struct code program[] = {
    { OP_LOAD, 0, 200, 0 }, /* counter */
    { OP_LOAD, 1, 1, 0 },   { OP_LOAD, 2, 77, 0 }, { OP_LOAD, 3, 13, 0 }, { OP_LOAD, 4, 63, 0 },
    { OP_ADD, 2, 2, 3 }, /* 5: the loop */
    { OP_MUL, 5, 2, 3 },    { OP_SHR, 6, 5, 3 },   { OP_XOR, 2, 5, 6 },   { OP_AND, 7, 2, 4 },
    { OP_GET, 8, 7, 0 },    { OP_ADD, 8, 8, 2 },   { OP_SKIP, 8, 1, 2 }, /* odd: two further on */
    { OP_XOR, 8, 8, 3 },    { OP_SUB, 8, 8, 0 },   { OP_PUT, 8, 7, 0 },   { OP_MOVE, 9, 8, 0 },
    { OP_ADD, 10, 10, 9 },  { OP_LOOP, 0, 5, 0 },  { OP_MOVE, 0, 10, 0 }, { OP_END, 0, 0, 0 },
};

static NOINLINE uint64_t interpret_switch(const struct code *code, uint64_t *table)
{
    uint64_t r[16] = { 0 };

    for (const struct code *pc = code;; pc++) {
        switch (pc->op) {
        case OP_LOAD:
            r[pc->to] = pc->a;
            break;
        case OP_ADD:
            r[pc->to] = r[pc->a] + r[pc->b];
            break;
        case OP_SUB:
            r[pc->to] = r[pc->a] - r[pc->b];
            break;
        case OP_XOR:
            r[pc->to] = r[pc->a] ^ r[pc->b];
            break;
        case OP_MUL:
            r[pc->to] = r[pc->a] * r[pc->b];
            break;
        case OP_SHR:
            r[pc->to] = r[pc->a] >> (r[pc->b] & 63);
            break;
        case OP_AND:
            r[pc->to] = r[pc->a] & r[pc->b];
            break;
        case OP_MOVE:
            r[pc->to] = r[pc->a];
            break;
        case OP_GET:
            r[pc->to] = table[r[pc->a] & 63];
            break;
        case OP_PUT:
            table[r[pc->a] & 63] = r[pc->to];
            break;
        case OP_SKIP:
            if (r[pc->to] & pc->a)
                pc += pc->b;
            break;
        case OP_LOOP:
            if (--r[pc->to])
                pc = code + pc->a - 1;
            break;
        default:
            return r[0];
        }
    }
}

static NOINLINE uint64_t interpret_goto(const struct code *pc, uint64_t *table)
{
    static const void *const labels[] = { &&load, &&add, &&sub, &&xor,  &&mul,  &&shr, &&and,
                                          &&move, &&get, &&put, &&loop, &&skip, &&end };
    const struct code *code = pc;
    uint64_t r[16] = { 0 };

#define NEXT goto *labels[(++pc)->op]
    goto *labels[pc->op];
load:
    r[pc->to] = pc->a;
    NEXT;
add:
    r[pc->to] = r[pc->a] + r[pc->b];
    NEXT;
sub:
    r[pc->to] = r[pc->a] - r[pc->b];
    NEXT;
    xor : r[pc->to] = r[pc->a] ^ r[pc->b];
    NEXT;
mul:
    r[pc->to] = r[pc->a] * r[pc->b];
    NEXT;
shr:
    r[pc->to] = r[pc->a] >> (r[pc->b] & 63);
    NEXT;
    and : r[pc->to] = r[pc->a] & r[pc->b];
    NEXT;
move:
    r[pc->to] = r[pc->a];
    NEXT;
get:
    r[pc->to] = table[r[pc->a] & 63];
    NEXT;
put:
    table[r[pc->a] & 63] = r[pc->to];
    NEXT;
skip:
    if (r[pc->to] & pc->a)
        pc += pc->b;
    NEXT;
loop:
    if (--r[pc->to])
        pc = code + pc->a - 1;
    NEXT;
end:
    return r[0];
#undef NEXT
}

static uint64_t interpret(uint64_t rounds, uint64_t (*interpreter)(const struct code *, uint64_t *))
{
    static uint64_t table[64];
    uint64_t sum = 0;

    while (rounds--)
        sum = sum * 3 + interpreter(program, table);
    return sum;
}

uint64_t kernel_switch(uint64_t rounds)
{
    return interpret(rounds, interpret_switch);
}

uint64_t kernel_goto(uint64_t rounds)
{
    return interpret(rounds, interpret_goto);
}
