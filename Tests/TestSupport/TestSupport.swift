// Shared by the test targets: fixtures and doubles.
