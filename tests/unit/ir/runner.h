/*
 * Runs the cases of a test program with CUnit and prints "N passed, N failed".
 */
#ifndef IR_TEST_RUNNER_H
#define IR_TEST_RUNNER_H

#include <CUnit/Basic.h>

typedef struct ir_test_case {
    const char *name;
    void (*run)(void);
} ir_test_case;

/* cases ends with a row without a name. Returns the program's exit status. */
static inline int run_cases(const char *suite_name, const ir_test_case *cases)
{
    CU_pSuite suite;
    unsigned failed, run;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    suite = CU_add_suite(suite_name, NULL, NULL);
    for (; suite && cases->name; cases++)
        if (!CU_add_test(suite, cases->name, cases->run))
            return 2;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("\n%u passed, %u failed\n", run - failed, failed);
    return run == 0 || failed != 0;
}

#endif
