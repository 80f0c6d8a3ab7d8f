// Metrics.
import Testing
