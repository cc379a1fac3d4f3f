"""Networks for images, with weights that were trained on ImageNet."""
