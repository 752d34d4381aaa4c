#pragma once
// Changes of values by a given strength, for the transforms of colours and for policies. All keep values from black to
// white; those of saturation and hue leave images as they are that do not have three channels.
#include "data/transforms/transform.h"

namespace dl {

void blend_with(Image& image, float target, float factor);  // target + factor (v - target)
void change_brightness(Image& image, float factor);         // blend with black
void change_contrast(Image& image, float factor);           // blend with the mean brightness
void change_saturation(Image& image, float factor);         // blend with the grey of each pixel
void turn_hue(Image& image, float turns);
void invert(Image& image);
void solarize(Image& image, float threshold);  // inverts values from the threshold on
void posterize(Image& image, int bits);        // keeps the leading bits of 8
void equalize(Image& image);                   // flattens the histogram of each channel
void stretch_contrast(Image& image, double cutoff);
void change_sharpness(Image& image, float factor);  // blend with the smoothed image

}  // namespace dl
