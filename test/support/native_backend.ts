/** The backend under test: FASTWEIGHT_TEST_BACKEND, else the CPU's. */
export const nativeBackend = process.env.FASTWEIGHT_TEST_BACKEND ?? 'fastweight-cpu';
