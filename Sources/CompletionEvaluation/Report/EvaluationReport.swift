// What a report says, as values: the same for JSON, Markdown and HTML. Everything that depends on the machine or on
// what ran before is under `timings`; the rest is the same for every run of one seed.

/// A run's results.
package struct EvaluationReport: Encodable, Sendable {
    /// Measures of some cases.
    package struct Group: Encodable, Sendable {
        package let name: String
        package let count: Int
        /// By the metric's name.
        package let metrics: [String: Estimate]
    }

    /// What showing only completions above a token probability would give.
    package struct ThresholdPoint: Encodable, Sendable {
        /// Least mean probability of a token (geometric).
        package let threshold: Double
        /// Share of cases in which something is shown.
        package let shownRate: Double
        /// Of the shown ones, the share that is exactly what was expected; nil when nothing is shown.
        package let acceptRate: Double?

        enum CodingKeys: String, CodingKey {
            case threshold
            case shownRate = "shown_rate"
            case acceptRate = "accept_rate"
        }
    }

    package struct Configuration: Encodable, Sendable {
        package let name: String
        package let settings: RunConfiguration
        package let answeredCount: Int
        package let failedCount: Int
        /// Prompts of which the engine did not say how many tokens it read.
        package let unconfirmedPromptCount: Int
        package let promptTokens: Spread?
        package let overall: Group
        package let byLanguage: [Group]
        package let byKind: [Group]
        package let thresholds: [ThresholdPoint]

        enum CodingKeys: String, CodingKey {
            case name, settings, overall, thresholds
            case answeredCount = "answered_count"
            case failedCount = "failed_count"
            case unconfirmedPromptCount = "unconfirmed_prompt_count"
            case promptTokens = "prompt_tokens"
            case byLanguage = "by_language"
            case byKind = "by_kind"
        }
    }

    /// Percentiles of a cost.
    package struct Spread: Encodable, Sendable {
        package let mean: Double
        package let p50: Double
        package let p90: Double
        package let p95: Double
        package let p99: Double

        init?(_ values: [Double]) {
            guard !values.isEmpty else { return nil }
            let sorted = values.sorted()
            mean = values.reduce(0, +) / Double(values.count)
            p50 = Percentile.of(sorted, 0.5)
            p90 = Percentile.of(sorted, 0.9)
            p95 = Percentile.of(sorted, 0.95)
            p99 = Percentile.of(sorted, 0.99)
        }
    }

    /// Costs of one configuration; times in milliseconds.
    package struct Cost: Encodable, Sendable {
        package let configuration: String
        package let context: Spread?
        package let firstToken: Spread?
        package let total: Spread?
        /// Of all prompt tokens, the share that needed no reading.
        package let reusedShare: Double
        package let generatedTokens: Int
        /// Emitted tokens per pass of the target; nil without speculation.
        package let meanAcceptedLength: Double?
        /// Accepted of verified tokens by depth in the tree, from 1.
        package let acceptanceByDepth: [Double]
        /// Total time of the configuration that differs only in speculation, divided by this one's.
        package let speculativeSpeedUp: Double?

        enum CodingKeys: String, CodingKey {
            case configuration
            case context = "context_ms"
            case firstToken = "first_token_ms"
            case total = "total_ms"
            case reusedShare = "reused_share"
            case generatedTokens = "generated_tokens"
            case meanAcceptedLength = "mean_accepted_length"
            case acceptanceByDepth = "acceptance_by_depth"
            case speculativeSpeedUp = "speculative_speed_up"
        }
    }

    package struct Timings: Encodable, Sendable {
        package let machine: String
        package let costs: [Cost]
        /// Of the last invocation, where the processor tells.
        package let energyJoules: Double?

        enum CodingKeys: String, CodingKey {
            case machine, costs
            case energyJoules = "energy_joules"
        }
    }

    package struct Case: Encodable, Sendable {
        package let record: CaseRecord
        /// Nil where there is no answer.
        package let metrics: CaseMetrics?
        /// Geometric mean and least probability of a generated token; nil where the engine does not tell.
        package let meanProbability: Double?
        package let leastProbability: Double?

        enum CodingKeys: String, CodingKey {
            case record, metrics
            case meanProbability = "mean_probability"
            case leastProbability = "least_probability"
        }
    }

    package let run: RunHeader
    package let isComplete: Bool
    package let configurations: [Configuration]
    /// Each further configuration against the first.
    package let comparisons: [RunComparison]
    package let cases: [Case]
    package let timings: Timings

    enum CodingKeys: String, CodingKey {
        case run, configurations, comparisons, cases, timings
        case isComplete = "is_complete"
    }
}
