"""Writes what a run holds in the forms of other tools: ONNX, TensorBoard, CSV, a model card."""
