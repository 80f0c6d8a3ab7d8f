// How a chat model wants a question wrapped. GGUF files carry a Jinja program for it; what it does for one question is
// recognised by the words that each family's program must contain, and built in here. A program of another family is
// not run: the question then goes in plain.

/// What stands before and after a question; special tokens are spelled out.
package struct ChatTemplate: Sendable, Equatable {
    package let name: String
    package let before: String
    package let after: String

    /// The template that a model's program amounts to; nil when it is of no known family.
    package static func recognise(_ program: String) -> ChatTemplate? {
        families.first { family in family.marks.allSatisfy { program.contains($0) } }?.template
    }

    private struct Family {
        let marks: [String]
        let template: ChatTemplate
    }

    /// The more particular ones first.
    private static let families: [Family] = [
        Family(
            marks: ["<|start_header_id|>", "<|eot_id|>"],
            template: ChatTemplate(
                name: "llama-3", before: "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n",
                after: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")),
        Family(
            marks: ["<|start_of_role|>", "<|end_of_role|>"],
            template: ChatTemplate(
                name: "granite-3", before: "<|start_of_role|>user<|end_of_role|>",
                after: "<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>")),
        Family(
            marks: ["<|im_start|>", "<|im_end|>"],
            template: ChatTemplate(
                name: "chatml", before: "<|im_start|>user\n", after: "<|im_end|>\n<|im_start|>assistant\n")),
        Family(
            marks: ["### Instruction:", "### Response:"],
            template: ChatTemplate(
                name: "deepseek-coder", before: "### Instruction:\n", after: "\n### Response:\n")),
        Family(
            marks: ["USER:", "ASSISTANT:"],
            template: ChatTemplate(name: "vicuna", before: "USER: ", after: " ASSISTANT:")),
        Family(
            marks: ["[INST]", "[/INST]"],
            template: ChatTemplate(name: "llama-2", before: "<s>[INST] ", after: " [/INST]")),
    ]
}
